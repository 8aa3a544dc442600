"""WRN-d-k: parameters, keys and behaviour."""

import pytest
import torch

from distill_lib.errors import DistillError
from distill_lib.models import build_model
from distill_lib.models.wide_resnet import WideResNet


@pytest.mark.parametrize(
    ("name", "millions"),
    [("wrn_28_4", 5.872), ("wrn_16_4", 2.772), ("wrn_28_2", 1.479), ("wrn_16_2", 0.703)],
)
def test_parameters_as_published(name, millions):
    with torch.device("meta"):
        model = build_model(name, 100)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 3) == millions


def test_keys_are_those_of_published_checkpoints():
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {"conv1.weight", "fc.weight", "fc.bias", *(f"bn1.{key}" for key in norm)}
    for block in (1, 2, 3):
        for layer in (0, 1):
            prefix = f"block{block}.layer.{layer}"
            expected |= {f"{prefix}.conv1.weight", f"{prefix}.conv2.weight"}
            expected |= {f"{prefix}.bn{i}.{key}" for i in (1, 2) for key in norm}
        expected.add(f"block{block}.layer.0.convShortcut.weight")
    assert build_model("wrn_16_2", 10).state_dict().keys() == expected


def test_a_shortcut_only_where_the_channels_change():
    keys = build_model("wrn_16_1", 10).state_dict().keys()
    assert "block1.layer.0.convShortcut.weight" not in keys
    assert "block2.layer.0.convShortcut.weight" in keys
    assert "block2.layer.1.convShortcut.weight" not in keys


@pytest.mark.parametrize("size", [32, 28, 64])
def test_any_image_size_gives_logits(size):
    model = build_model("wrn_10_1", 7).eval()
    assert model(torch.zeros(2, 3, size, size)).shape == (2, 7)


@pytest.mark.parametrize("depth", [4, 8, 11, 15, 27])
def test_a_depth_that_is_none_is_refused(depth):
    with pytest.raises(DistillError, match=f"WRN depth is {depth}; expected 6n"):
        WideResNet(depth, 1)


def test_every_relu_is_a_module_of_its_own_and_out_of_place():
    relus = [m for m in build_model("wrn_16_1", 10).modules() if isinstance(m, torch.nn.ReLU)]
    assert len(relus) == 2 * 6 + 1
    assert not any(relu.inplace for relu in relus)


def test_initialisation_comes_from_the_global_generator():
    def weights(seed):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return build_model("wrn_10_1", 10).state_dict()

    first, again, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    assert (first["fc.bias"] == 0).all()
