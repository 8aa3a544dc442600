"""The house style.

Colours mean the same thing everywhere and are never alone: markers and dashes go with them.
"""

from pathlib import Path
from typing import Literal

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distill_lib.files import write_atomically

COLOURS = {  # Okabe and Ito: told apart by the colour-blind
    "teacher": "#0072B2",
    "plain": "#999999",
    "kd": "#E69F00",
    "ofd": "#D55E00",
    "cd": "#009E73",
}
MARKERS = {"teacher": "s", "plain": "o", "kd": "^", "ofd": "D", "cd": "v"}
DASHES = {"teacher": "-", "plain": ":", "kd": "--", "ofd": "-", "cd": "-."}
LABELS = {"plain": "alone", "kd": "KD", "ofd": "OFD", "cd": "CD", "teacher": "teacher"}


def use_style(where: Literal["page", "slides"] = "page") -> None:
    """Set matplotlib's defaults to the house style; "slides" has larger type."""
    size = {"page": 10, "slides": 16}[where]
    plt.rcParams.update(
        {
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "font.size": size,
            "axes.titlesize": size,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.grid.axis": "y",
            "axes.axisbelow": True,
            "grid.alpha": 0.3,
            "legend.frameon": False,
        }
    )


def method_of(recipe_name: str) -> str:
    """plain, kd, ofd or cd: what a recipe's name begins with, and what colours go by."""
    return recipe_name.split("-")[0]


def shared_legend(figure: Figure, ax: Axes) -> None:
    """One legend below all panels, from one that has every kind of mark."""
    handles, labels = ax.get_legend_handles_labels()
    labels = ["margin, closed form" if label.startswith("margin") else label for label in labels]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def save_figure(figure: Figure, path: Path) -> None:
    """Write a png, whole or not at all."""
    write_atomically(path, lambda handle: figure.savefig(handle, format="png"))
