"""Exercise of notebook 01."""

from collections.abc import Callable
from typing import SupportsIndex

from distill_lib.checks.verdict import first_wrong
from distill_lib.models import build_model
from distill_lib.training.cost import count_parameters

CLASSES = 10
NETWORKS = ((16, 2), (28, 4), (10, 2), (16, 1), (22, 3))
"""(depth, width); the one of width 1 has no shortcut convolution in its first group."""


def check_parameters(count: Callable[[int, int], int]) -> None:
    """The parameters of WRN-d-k with 10 classes, by formula.

    Args:
        count: the reader's function of depth and width.
    """
    cases = ((f"WRN-{depth}-{width}", (depth, width)) for depth, width in NETWORKS)
    print(first_wrong(cases, lambda case: count(*case), _mistake))


def _mistake(case: tuple[int, int], got: object) -> str | None:
    if not isinstance(got, SupportsIndex):
        return f": got {got!r}, want a whole number; for whole blocks divide with //"
    got = int(got)
    want = count_parameters(build_model("wrn_{}_{}".format(*case), CLASSES))
    if got == want:
        return None
    side = "many" if got > want else "few"
    return f": got {got:,}, want {want:,} ({abs(got - want):,} too {side})"
