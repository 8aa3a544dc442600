"""Exercise of notebook 01."""

from collections.abc import Callable

from distill_lib.checks.verdict import CORRECT, NOT_ATTEMPTED
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
    print(_verdict(count))


def _verdict(count: Callable[[int, int], int]) -> str:
    for depth, width in NETWORKS:
        name = f"WRN-{depth}-{width}"
        want = count_parameters(build_model(f"wrn_{depth}_{width}", CLASSES))
        try:
            got = count(depth, width)
        except Exception as error:  # the reader's code may raise anything; it is shown, not hidden
            return f"wrong at {name}: your function raised {type(error).__name__}: {error}"
        if got is ...:
            return NOT_ATTEMPTED
        if not isinstance(got, int):
            return f"wrong at {name}: got {got!r}, want an int"
        if got != want:
            side = "many" if got > want else "few"
            return f"wrong at {name}: got {got:,}, want {want:,} ({abs(got - want):,} too {side})"
    return CORRECT
