"""The parameter count of a WRN: right ways pass, wrong ones are told the first network."""

import numpy as np
import pytest

from distill_lib import checks
from distill_lib.checks import check_parameters


def block_by_block(depth, width):
    total, channels = 9 * 3 * 16, 16
    for wide in (16 * width, 32 * width, 64 * width):
        for _ in range((depth - 4) // 6):
            total += 9 * channels * wide + 9 * wide * wide + 2 * channels + 2 * wide
            total += channels * wide if channels != wide else 0
            channels = wide
    return total + 2 * channels + 10 * channels + 10


def in_closed_form(depth, width):
    n, c = (depth - 4) // 6, 16 * width
    convolutions = 9 * (16 * c + 10 * c * c + (2 * n - 1) * 21 * c * c)
    shortcuts = (16 * c if width > 1 else 0) + 10 * c * c
    norms = 2 * (16 + c + 2 * c) + 2 * (2 * n - 1) * 7 * c + 2 * 4 * c
    return 9 * 3 * 16 + convolutions + shortcuts + norms + 10 * 4 * c + 10


def shortcut_everywhere(depth, width):
    return block_by_block(depth, width) + (256 if width == 1 else 0)


@pytest.mark.parametrize(
    "right", [block_by_block, in_closed_form, lambda d, w: np.int64(block_by_block(d, w))]
)
def test_a_right_count(capsys, right):
    check_parameters(right)
    assert capsys.readouterr().out.strip() == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (shortcut_everywhere, "wrong at WRN-16-1: got 175,322, want 175,066 (256 too many)"),
        (lambda d, w: block_by_block(d, w) - 10, "wrong at WRN-16-2: got 691,664, want 691,674"),
        (lambda d, w: block_by_block(16, 2), "wrong at WRN-28-4: got 691,674, want "),
        (
            lambda d, w: block_by_block(d, w) / 1,
            "wrong at WRN-16-2: got 691674.0, want a whole num",
        ),
        (lambda d, w: None, "wrong at WRN-16-2: got None, want a whole number"),
        (lambda d: d, "wrong at WRN-16-2: your function raised TypeError"),
    ],
)
def test_a_wrong_count_is_told_where(capsys, wrong, where):
    check_parameters(wrong)
    assert capsys.readouterr().out.startswith(where)


def test_an_open_count(capsys):
    check_parameters(lambda depth, width: ...)
    assert capsys.readouterr().out.strip() == checks.NOT_ATTEMPTED
