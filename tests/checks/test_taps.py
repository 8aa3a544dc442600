"""The check of notebook 04 accepts a reading that survives in-place changes, and no other."""

import pytest
import torch

from distill_lib import checks
from distill_lib.checks import check_lowest
from distill_lib.taps import Tap, TapReader


def hooked(network, norm, images, keep):
    kept = []
    hook = network.get_submodule(norm).register_forward_hook(
        lambda m, a, out: kept.append(keep(out))
    )
    with torch.no_grad():
        network(images)
    hook.remove()
    return kept[0].amin((0, 2, 3))


def cloned(network, norm, images):
    return hooked(network, norm, images, torch.clone)


def reduced_at_once(network, norm, images):
    """The minimum is taken in the hook, before anything can change the tensor."""
    return hooked(network, norm, images, lambda out: out.amin((0, 2, 3), keepdim=True))


def not_cloned(network, norm, images):
    return hooked(network, norm, images, lambda out: out)


def out_of_place(network, norm, images):
    """Repairs the ReLU, and leaves it so."""
    for module in network.modules():
        if getattr(module, "inplace", False):
            module.inplace = False
    return not_cloned(network, norm, images)


def one_by_one(network, norm, images):
    """Works where the batch norm stands in the first row of a Sequential."""
    for name, module in network.named_children():
        images = module(images)
        if name == norm:
            return images.detach().amin((0, 2, 3))
    raise KeyError(norm)


def left_on(network, norm, images):
    kept = []
    network.get_submodule(norm).register_forward_hook(lambda m, a, out: kept.append(out.clone()))
    network(images)
    return kept[0].amin((0, 2, 3))


def after_the_relu(network, norm, images):
    return cloned(network, norm, images).clamp_min(0)


def verdict(capsys, lowest) -> str:
    check_lowest(lowest)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize("right", [cloned, reduced_at_once])
def test_a_right_reading(capsys, right):
    assert verdict(capsys, right) == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (not_cloned, "wrong at an in-place ReLU, channel 0: got 0.0000, want -"),
        (out_of_place, "wrong at an in-place ReLU: your function has changed the network"),
        (one_by_one, "wrong at a batch norm inside a block: your function raised"),
        (left_on, "wrong at a ReLU of its own: your hook is still on the network"),
        (after_the_relu, "wrong at a ReLU of its own, channel 0: got 0.0000, want -"),
        (
            lambda network, norm, images: images,
            "wrong at a ReLU of its own: got shape (4, 3, 8, 8)",
        ),
    ],
)
def test_a_wrong_reading_is_told_where(capsys, wrong, where):
    assert verdict(capsys, wrong).startswith(where)


def test_the_librarys_tap_sees_the_change():
    """What the check is about is what TapReader refuses: a tensor changed after it was read."""
    from distill_lib.checks.taps import _CASES, _network
    from distill_lib.errors import FeatureError

    network = _network(*_CASES["a shortcut added in place"])
    reader = TapReader(network, [Tap("1", "post")])
    with torch.no_grad():
        network(torch.randn(2, 3, 8, 8))
    with pytest.raises(FeatureError, match="changed in place after it was read"):
        reader.take()


def test_an_open_reading(capsys):
    assert verdict(capsys, lambda network, norm, images: ...) == checks.NOT_ATTEMPTED
