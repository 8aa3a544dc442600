"""Tables as Markdown, which a terminal shows as well."""

from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table with its columns lined up.

    Args:
        header: one title for each column.
        rows: as many cells in each; None is shown as a dash.
    """
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _cell(value: object) -> str:
    return "–" if value is None else str(value)


def millions(count: int | None) -> str | None:
    """691674 -> 0.69 M."""
    return None if count is None else f"{count / 1e6:,.2f} M"
