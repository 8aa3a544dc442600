"""Tables as Markdown, which a terminal shows as well, and without its rules."""

from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table with its columns lined up.

    Args:
        header: one title for each column.
        rows: as many cells in each; None is shown as a dash.
    """
    cells = _lined_up(header, rows)
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    rule = "|" + "|".join("-" * (len(title) + 2) for title in cells[0]) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def plain_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The same without rules: columns two spaces apart. Arguments as `markdown_table`."""
    return "\n".join("  ".join(row).rstrip() for row in _lined_up(header, rows))


def _lined_up(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[list[str]]:
    """Header and rows as text, padded to the widths of their columns."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [[c.ljust(w) for c, w in zip(row, widths, strict=True)] for row in cells]


def _cell(value: object) -> str:
    return "–" if value is None else str(value)


def millions(count: int | None) -> str | None:
    """691674 -> 0.69 M."""
    return None if count is None else f"{count / 1e6:,.2f} M"
