"""What a figure of a table is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from distill_lib.report.groups import Group, difference_to_plain


def distilled_of(groups: Sequence[Group]) -> list[Group]:
    """Groups of distilled students that have a plain one of the same seed beside them."""
    return [group for group in groups if difference_to_plain(group, groups)]


def has_gains(groups: Sequence[Group]) -> bool:
    """Whether a distilled student has a plain one of the same seed beside it."""
    return bool(distilled_of(groups))


@dataclass(frozen=True)
class Figure:
    """A figure of a table.

    Attributes:
        file: how its file's name ends.
        alt: what it shows, for who cannot see it.
        caption: how it is read.
        draw: of the table's groups, students alone and distilled.
        drawable: whether there are runs enough for it.
    """

    file: str
    alt: str
    caption: str
    draw: Callable[[Sequence[Group]], tuple]
    drawable: Callable[[Sequence[Group]], bool] = has_gains
