"""The check of notebook 05 accepts the gradient of partial L2, and no other."""

import pytest
import torch

from distill_lib import checks, partial_l2
from distill_lib.checks import check_gradient


def selected(student, teacher):
    return torch.where((student <= teacher) & (teacher <= 0), 0.0, 2 * (student - teacher))


def of_the_library(student, teacher):
    student.requires_grad_()
    return torch.autograd.grad(partial_l2(student, teacher), student)[0]


def multiplied(student, teacher):
    counts = ((student > teacher) | (teacher > 0)).to(student.dtype)
    return 2 * (student - teacher) * counts


def plain_l2(student, teacher):
    return 2 * (student - teacher)


def both_negative(student, teacher):
    """Also forgives a student that is too high, as long as it is off."""
    return torch.where((student <= 0) & (teacher <= 0), 0.0, 2 * (student - teacher))


def without_border(student, teacher):
    return torch.where((student < teacher) & (teacher < 0), 0.0, 2 * (student - teacher))


def verdict(capsys, gradient) -> str:
    check_gradient(gradient)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize("right", [selected, of_the_library])
def test_a_right_gradient(capsys, right):
    assert verdict(capsys, right) == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (plain_l2, "wrong at student -2, teacher -1 (low enough): got -2.0000, want 0.0000"),
        (both_negative, "wrong at student -1, teacher -2 (too high): got 0.0000, want 2.0000"),
        (without_border, "wrong at student -1, teacher 0 (on the border): got -2.0000"),
        (multiplied, "wrong at student -inf, teacher -1 (an overflow, low enough): got nan"),
        (lambda s, t: -selected(s, t), "wrong at student 1, teacher 2: got 2.0000, want -2.0000"),
        (lambda s, t: selected(s, t) / 2, "wrong at student 1, teacher 2: got -1.0000"),
    ],
)
def test_a_wrong_gradient_is_told_where(capsys, wrong, where):
    assert verdict(capsys, wrong).startswith(where)


def test_an_open_gradient(capsys):
    assert verdict(capsys, lambda student, teacher: ...) == checks.NOT_ATTEMPTED
