"""Exercise of notebook 07."""

from collections.abc import Callable, Sequence
from math import sqrt
from statistics import mean, stdev

from distill_lib.checks.verdict import first_wrong
from distill_lib.report.groups import T_975

PILOTS = {
    "a large gain": [2.0, 2.2, 1.9],
    "a small gain that hardly varies": [0.4, 0.3, 0.5],
    "a gain that one seed does not show": [1.0, -0.2, 0.9],
    "a loss": [-1.0, 0.2, -0.9],
    "a pilot of five seeds": [0.9, 0.1, 0.5, 1.1, -0.1],
    "nothing but luck": [0.5, -0.4, 0.2],
}
"""What they stand for -> differences of a few seeds, in points; made up."""


def check_seeds_needed(needed: Callable[[list[float]], int | None]) -> None:
    """How many seeds an interval needs to leave zero out, by the mean and deviation of a pilot.

    Args:
        needed: the reader's function of the pilot's differences; gives the smallest number of
            seeds from 2 to 10, None if ten are not enough.
    """

    def mistake(pilot: list[float], got: object) -> str | None:
        want = _needed(pilot)
        return None if got == want else f", {pilot}: got {got}, want {want}"

    print(first_wrong(PILOTS.items(), lambda pilot: needed(list(pilot)), mistake))


def _needed(differences: Sequence[float]) -> int | None:
    m, s = abs(mean(differences)), stdev(differences)
    enough = (n for n, t in enumerate(T_975, start=2) if t * s / sqrt(n) < m)
    return next(enough, None)
