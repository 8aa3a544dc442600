"""The check of notebook 07 accepts Student's t on a pilot and refuses what is nearly it."""

from math import sqrt
from statistics import mean, pstdev, stdev

import pytest

from distill_lib import checks
from distill_lib.checks import check_seeds_needed
from distill_lib.report.groups import T_975


def needed(differences, *, deviation=stdev, size=abs, t_of=lambda n, pilot: T_975[n - 2]):
    for n in range(2, 11):
        half = t_of(n, differences) * deviation(differences) / sqrt(n)
        if half < size(mean(differences)):
            return n
    return None


def verdict(capsys, function) -> str:
    check_seeds_needed(function)
    return capsys.readouterr().out.strip()


def test_the_right_function(capsys):
    assert verdict(capsys, needed) == checks.CORRECT


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"deviation": pstdev}, "wrong at a gain that one seed does not show"),
        ({"size": float}, "wrong at a loss"),
        ({"t_of": lambda n, pilot: 1.96}, "wrong at "),
        ({"t_of": lambda n, pilot: T_975[len(pilot) - 2]}, "wrong at "),
        ({"deviation": lambda d: max(d) - min(d)}, "wrong at "),
    ],
)
def test_a_wrong_function_is_told_where(capsys, changes, said):
    assert verdict(capsys, lambda d: needed(d, **changes)).startswith(said)


def test_ten_seeds_are_the_most(capsys):
    assert "nothing but luck" in verdict(capsys, lambda d: needed(d) or 11)


def test_open_and_raising(capsys):
    assert verdict(capsys, lambda d: ...) == checks.NOT_ATTEMPTED
    assert "your function raised ZeroDivisionError" in verdict(capsys, lambda d: 1 / 0)
