"""The table of `Distiller.explain`: which features are compared, and what each pair adds."""

from collections.abc import Sequence

import torch

from distill_lib.tables import plain_table
from distill_lib.terms import FeatureTerm, Outputs

TITLES = (
    "term",
    "teacher tap",
    "student tap",
    "shape",
    "batch norm",
    "margin",
    "divisor",
    "share",
)


def pairs_table(terms: Sequence[FeatureTerm], student: Outputs, teacher: Outputs | None) -> str:
    """A line for each pair of every term, columns lined up.

    Args:
        terms: those that compare features; columns that none of them fills are left out.
        student, teacher: what the networks gave for a batch.
    """
    rows = [row for term in terms for row in _rows(term, student, teacher)]
    if not rows:
        return "no term compares features"
    titles = [title for title in TITLES if any(title in row for row in rows)]
    return plain_table(titles, [[row.get(title) for title in titles] for row in rows])


def _rows(term: FeatureTerm, student: Outputs, teacher: Outputs) -> list[dict[str, str]]:
    shares = torch.stack(term.shares(student, teacher))
    columns = {
        "term": [term.name] * len(shares),
        "teacher tap": [str(tap) for tap in term.teacher_taps],
        "student tap": [f"{tap} ({tap.channels})" for tap in term.student_taps],
        "shape": [" x ".join(map(str, teacher.taps[t].shape[1:])) for t in term.teacher_taps],
        "share": [f"{100 * share:.1f} %" for share in shares / shares.sum()],
    } | term.settings_of_pairs()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
