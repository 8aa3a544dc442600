"""The check of notebook 08 accepts a right twin and says where a wrong one goes wrong."""

import pytest
import torch

from distill_lib import checks
from distill_lib.checks import check_twin


def move_half_of_the_largest(features):
    flat = features.flatten(2).clone()  # (N, C, H·W)
    brightest = flat.argmax(2, keepdim=True)
    half = flat.gather(2, brightest) / 2
    flat.scatter_add_(2, brightest, -half)
    flat.scatter_add_(2, (brightest + 1) % flat.shape[2], half)
    return flat.view_as(features)


def all_in_the_darkest_place(features):
    total = features.sum((2, 3))
    flat = features.flatten(2)
    twin = torch.zeros_like(flat)
    return twin.scatter(2, flat.argmin(2, keepdim=True), total[..., None]).view_as(features)


def mirrored(features):
    return features.flip(-1)


def rolled(features):
    return features.roll(1, dims=-1)


def spread_evenly(features):
    return features.mean((2, 3), keepdim=True).expand_as(features)


def into_the_corner(features):
    twin = torch.zeros_like(features)
    twin[..., 0, 0] = features.sum((2, 3))
    return twin


def channels_reversed(features):
    return features.flip(1)


def below_zero(features):
    twin = features.clone()
    twin[..., 0, 0] -= 5
    twin[..., 1, 1] += 5
    return twin


def doubled(features):
    return 2 * features


def of_another_shape(features):
    return features.mean((2, 3))


def verdict(capsys, twin) -> str:
    check_twin(twin)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize("right", [move_half_of_the_largest, all_in_the_darkest_place])
def test_a_right_twin(capsys, right):
    assert verdict(capsys, right) == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (doubled, "wrong at random features (2, 3, 4, 4): CD is "),
        (channels_reversed, "wrong at random features (2, 3, 4, 4): CD is "),
        (torch.clone, "wrong at random features (2, 3, 4, 4): L2 is 0 in image 0"),
        (below_zero, "wrong at random features (2, 3, 4, 4): got -"),
        (of_another_shape, "wrong at random features (2, 3, 4, 4): got shape (2, 3)"),
        (lambda features: None, "wrong at random features (2, 3, 4, 4): got a NoneType"),
        (mirrored, "wrong at features that are the same upside down and mirrored: L2 is 0"),
        (into_the_corner, "wrong at one bright spot, in a corner: L2 is 0"),
        (rolled, "wrong at the same value at every position: L2 is 0"),
        (spread_evenly, "wrong at the same value at every position: L2 is "),
        (lambda features: features @ 1, "wrong at random features (2, 3, 4, 4): your function "),
    ],
)
def test_a_wrong_twin_is_told_where(capsys, wrong, where):
    assert verdict(capsys, wrong).startswith(where)


def test_a_twin_with_nan(capsys):
    assert "not every value is finite" in verdict(capsys, lambda features: features / 0)


def test_an_open_twin(capsys):
    assert verdict(capsys, lambda features: ...) == checks.NOT_ATTEMPTED
