"""The pictures of docs/museum.md: each slip beside what the library computes.

    python -m docs.make_museum

The slips are written down here in a few lines of our own; the other curve is the library's.
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from distill_lib.errors import DistillError
from distill_lib.plots import COLOURS, use_style
from docs import npm, slips
from docs.pictures import write_palette_png
from docs.slips import Slip

FOLDER = npm.DOCS / "museum"
INCHES = (4.6, 2.5)
PICTURES: dict[str, Callable[[], Slip]] = {
    "01_margin_jumps": slips.margin_jumps,
    "02_scale_of_zero": slips.scale_of_zero,
    "03_mean_of_nothing": slips.mean_of_nothing,
    "04_probabilities_set_to_one": slips.probabilities_set_to_one,
    "05_mask_that_multiplies": slips.mask_that_multiplies,
    "06_batch_norm_twice": slips.batch_norm_twice,
    "07_teacher_drifts": slips.teacher_drifts,
    "08_counts_written_down": slips.counts_written_down,
    "09_epoch_is": slips.epoch_is,
    "10_divided_twice": slips.divided_twice,
    "11_stale_margins": slips.stale_margins,
}
"""File name without ending -> the curves."""


def draw(slip: Slip) -> Figure:
    """Both curves over the same axis; where what was written is no number stands a cross."""
    use_style()
    figure = Figure(figsize=INCHES)
    ax = figure.subplots()
    marked = len(slip.x) <= slips.FEW
    ax.plot(
        slip.x,
        slip.here,
        color=COLOURS["teacher"],
        marker="s" if marked else None,
        markersize=4,
        linewidth=2,
        label="here",
    )
    ax.plot(
        slip.x,
        slip.written,
        color=COLOURS["ofd"],
        linestyle="--",
        marker="D" if marked else None,
        markersize=4,
        linewidth=2,
        label="as written",
    )
    lost = slip.x[slip.written.isnan()]
    if len(lost):
        ax.plot(
            lost,
            [0.5] * len(lost),  # of the height
            "x",
            color=COLOURS["ofd"],
            transform=ax.get_xaxis_transform(),
            label=f"as written: {slip.lost}",
        )
    ax.set(title=slip.claim, xlabel=slip.over, ylabel=slip.what, **slip.axes)
    ax.minorticks_off()
    ax.legend(loc="best")
    return figure


def make_museum(folder: Path) -> list[Path]:
    """Draw every picture into a folder; returns their paths."""
    written = []
    for name, slip in PICTURES.items():
        written.append(folder / f"{name}.png")
        drawn = io.BytesIO()
        draw(slip()).savefig(drawn, format="png")
        write_palette_png(Image.open(drawn), written[-1])
    return written


if __name__ == "__main__":
    try:
        for path in make_museum(FOLDER):
            print(path.relative_to(npm.DOCS.parent), f"{path.stat().st_size / 1000:.0f} kB")
    except DistillError as error:
        sys.exit(f"error: {error}")
