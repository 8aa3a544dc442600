"""What every notebook's first cell does: budget, style, seed; and tables that look like tables."""

import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from distill_lib import plots
from distill_lib.errors import DistillError
from distill_lib.recipes.recipe import BUDGETS, Budget
from distill_lib.tables import markdown_table
from distill_lib.training.precision import choose_device

if TYPE_CHECKING:
    from IPython.display import Image, Markdown


def budget_from_environment() -> Budget:
    """`DISTILL_BUDGET`, smoke if it is not set.

    Raises:
        DistillError: there is no such budget.
    """
    budget = os.environ.get("DISTILL_BUDGET") or "smoke"
    if budget not in BUDGETS:
        raise DistillError(
            f"DISTILL_BUDGET is {budget!r}; expected one of {', '.join(BUDGETS)}.\n"
            "  Set it before Jupyter starts, then restart the kernel."
        )
    return budget


def start(seed: int = 0) -> Budget:
    """Set the figure style and the seed, and say the budget and the device.

    Returns:
        the budget, for `get_recipe`.
    """
    budget = budget_from_environment()
    plots.use_style()
    _show_small_pictures()
    torch.manual_seed(seed)
    print(f"budget {budget}, device {choose_device('auto')}")
    return budget


def _show_small_pictures() -> None:
    """Let Jupyter store figures with a palette: a third of the bytes, in a file under git."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell is not None:
        plt.close(plt.figure())  # loads Jupyter's backend, whose own formatter is then replaced
        shell.display_formatter.formatters["image/png"].for_type(Figure, small_png)


def small_png(figure: Figure) -> bytes:
    """A figure as a png of 128 colours, each as near to its own as the palette allows."""
    full = io.BytesIO()
    figure.savefig(full, format="png", bbox_inches="tight")
    return _with_palette(full)


def picture(file: Path) -> "Image":
    """A picture from a file, stored in the notebook as its figures are."""
    from IPython.display import Image

    return Image(data=_with_palette(file), width=700)


def _with_palette(full: io.BytesIO | Path) -> bytes:
    import PIL.Image as pil

    flat, small = pil.open(full).convert("RGB"), io.BytesIO()
    palette = flat.quantize(128, pil.Quantize.MAXCOVERAGE, dither=pil.Dither.NONE)
    palette.save(small, format="png", optimize=True)
    return small.getvalue()


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> "Markdown":
    """A table that Jupyter renders; None becomes a dash, and |x| stays in its cell."""
    from IPython.display import Markdown

    def escaped(cells: Iterable[object]) -> list[object]:
        return [c.replace("|", r"\|") if isinstance(c, str) else c for c in cells]

    return Markdown(markdown_table(escaped(header), [escaped(row) for row in rows]))
