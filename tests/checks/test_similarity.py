"""The check of notebook 14 accepts every rotation and refuses what CKA or a channel betrays."""

import pytest
import torch

from distill_lib import checks
from distill_lib.checks import check_disguise


def rotated(x):
    noise = torch.randn(x.shape[1], x.shape[1], generator=torch.Generator().manual_seed(1))
    return 3 * x.float() @ torch.linalg.qr(noise).Q + 5


def verdict(capsys, function) -> str:
    check_disguise(function)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize("right", [rotated, lambda x: x.flip(1), lambda x: -x.roll(1, 1)])
def test_a_right_function(capsys, right):
    assert verdict(capsys, right) == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda x: -7 * x, "wrong at channels of equal width: channels correlate by 1.00"),
        (lambda x: x.flip(0), "wrong at channels of equal width: CKA is "),
        (torch.zeros_like, "wrong at channels of equal width: CKA is 0.0000, want at least 0.999"),
        (lambda x: x @ torch.randn(32, 32).double(), "wrong at channels of equal width: CKA is "),
        (lambda x: (x / x.std(0)).flip(1), "wrong at channels of different widths: CKA is "),
        (lambda x: x[:, :8], "wrong at channels of equal width: got shape (256, 8), want (256, 32"),
        (lambda x: x.log(), "wrong at channels of equal width: not all values are finite"),
        (lambda x: 1, "wrong at channels of equal width: got a int, want a tensor"),
        (lambda x: x / (1 // 0), "wrong at channels of equal width: your function raised Zero"),
    ],
)
def test_a_wrong_function_is_told_why(capsys, wrong, said):
    assert verdict(capsys, wrong).startswith(said)


def test_an_open_exercise(capsys):
    assert verdict(capsys, lambda x: ...) == checks.NOT_ATTEMPTED
