"""The errors that speak to the person: what was given, what was expected, what to do."""

import difflib
from collections.abc import Iterable


class DistillError(ValueError):
    """A mistake that the user can mend; the command line prints it without a traceback."""


class DataError(DistillError):
    """A data file or a label is missing, damaged or out of range."""


class FeatureError(DistillError):
    """The features of teacher and student cannot be compared."""


class CheckpointError(DistillError):
    """A checkpoint cannot be written, read or trusted."""


class RecipeMismatchError(CheckpointError):
    """A checkpoint belongs to another recipe."""


class DivergedError(DistillError):
    """The loss became NaN or infinite."""


def unknown_name(kind: str, given: str, known: Iterable[str]) -> DistillError:
    """The error for a name that nothing answers to, with the nearest ones that something does."""
    known = sorted(known)
    near = difflib.get_close_matches(given, known, n=3, cutoff=0.3)
    listed = near or known[:8]
    return DistillError(
        f"unknown {kind} {given!r}.\n"
        f"  {'Nearest' if near else 'Known'}: {', '.join(listed) if listed else 'none'}"
    )
