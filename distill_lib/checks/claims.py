"""Exercise of notebook 10."""

from collections.abc import Callable

from distill_lib.checks.verdict import first_wrong

Runs = dict[int, float]
"""Seed -> top-1 (%)."""
CASES: dict[str, tuple[Runs, Runs, str]] = {
    "three seeds, all ahead by two points": (
        {0: 84.1, 1: 84.4, 2: 84.0},
        {0: 82.0, 1: 82.2, 2: 82.1},
        "better",
    ),
    "one seed, ahead by four points": ({0: 86.0}, {0: 82.0}, "open"),
    "three seeds, one of them behind": (
        {0: 84.0, 1: 83.5, 2: 81.5},
        {0: 82.0, 1: 82.1, 2: 82.2},
        "open",
    ),
    "three seeds, all behind": (
        {0: 80.0, 1: 80.3, 2: 80.1},
        {0: 82.0, 1: 82.2, 2: 82.1},
        "worse",
    ),
    "lucky and unlucky seeds, each ahead of its own": (
        {0: 80.6, 1: 84.7, 2: 82.5},
        {0: 80.0, 1: 84.0, 2: 82.0},
        "better",
    ),
    "two seeds that agree": ({0: 82.5, 1: 82.6}, {0: 82.0, 1: 82.0}, "open"),
    "three seeds, whose scatter is small beside the gain": (
        {0: 83.0, 1: 83.5, 2: 84.0},
        {0: 82.0, 1: 82.0, 2: 82.0},
        "better",
    ),
    "three seeds, all ahead and far apart": (
        {0: 83.2, 1: 84.2, 2: 85.2},
        {0: 82.0, 1: 82.0, 2: 82.0},
        "open",
    ),
    "seeds in another order": (
        {2: 82.5, 0: 80.6, 1: 84.7},
        {0: 80.0, 1: 84.0, 2: 82.0},
        "better",
    ),
    "four seeds, of which one is shared": (
        {0: 84.0, 3: 84.1, 4: 84.2, 5: 84.0},
        {0: 82.0, 1: 82.1, 2: 82.0},
        "open",
    ),
    "no seed in common": ({3: 84.0, 4: 84.1}, {0: 82.0, 1: 82.1}, "open"),
}
"""What it is -> runs of a method, runs of the plain student, what they support; made up."""
VERDICTS = ("better", "worse", "open")


def check_claim(judge: Callable[[Runs, Runs], str]) -> None:
    """What the runs of a method and of the plain student support, paired by seed, at 95 %.

    Args:
        judge: the reader's function of both, seed -> top-1; gives "better", "worse" or "open".
    """

    def mistake(case: tuple[Runs, Runs, str], got: object) -> str | None:
        want = case[2]
        if got not in VERDICTS:
            return f": got {got!r}, want one of {', '.join(VERDICTS)}"
        return None if got == want else f": got {got}, want {want}"

    print(first_wrong(CASES.items(), lambda case: judge(*map(dict, case[:2])), mistake))
