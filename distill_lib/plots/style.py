"""The house style.

Colours mean the same thing everywhere and are never alone: markers and dashes go with them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distill_lib.files import write_atomically

# Okabe and Ito: told apart by the colour-blind. A family shares its colour and differs by marker
# and dash.
LOOKS = {
    "teacher": ("teacher", "#0072B2", "s", "-"),
    "plain": ("alone", "#999999", "o", ":"),
    "kd": ("KD", "#E69F00", "^", "--"),
    "gkd": ("GKD", "#E69F00", "P", (0, (5, 1))),
    "dkd": ("DKD", "#E69F00", "X", (0, (2, 1))),
    "hint": ("FitNets hint", "#CC79A7", "p", "--"),
    "at": ("AT", "#56B4E9", ">", "-."),
    "rkd": ("RKD", "#000000", "*", "-"),
    "cd": ("CD", "#009E73", "v", "-."),
    "cd_gkd": ("CD + GKD", "#009E73", "<", (0, (3, 1, 1, 1))),
    "cd_gkd_edt": ("CD + GKD + EDT", "#009E73", "h", (0, (3, 1, 1, 1, 1, 1))),
    "ofd": ("OFD", "#D55E00", "D", "-"),
    "ofd_kd": ("OFD + KD", "#D55E00", "d", (0, (8, 2))),
}
"""Method -> label, colour, marker, dash."""
LABELS, COLOURS, MARKERS, DASHES = (
    dict(zip(LOOKS, column, strict=True)) for column in zip(*LOOKS.values(), strict=True)
)
VARIANT_LABELS = {
    "ofd_relu": "ReLU on the teacher",
    "ofd_raw": "no margin",
    "ofd_exact": "margins with exact tail",
    "ofd_conv": "convolution without BN",
    "ofd_post": "after the ReLU",
    "ofd_last": "last stage only",
    "ofd_l2": "L2 distance",
    "ofd_l1": "L1 distance",
    "ofd_train": "teacher in train mode",
    "ofd_x0.01": "weight x0.01",
    "ofd_x0.1": "weight x0.1",
    "ofd_x10": "weight x10",
    "cd_bare": "CD, no connectors",
    "cd_decay": "CD, decay",
    "cd_bare_decay": "CD, no connectors, decay",
}
"""Variants of OFD and CD by the one thing that they change."""


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
    """A key of `COLOURS` such as cd_gkd: what a recipe's name begins with, if it has a method."""
    return recipe_name.split("-")[0]


def label_of(recipe_name: str) -> str:
    """The label of its method or variant; what the name begins with, where that is neither."""
    method = method_of(recipe_name)
    return (LABELS | VARIANT_LABELS).get(method, method)


def look(method: str) -> dict:
    """Colour, marker and dash of a method; a variant such as ofd_relu looks like its family.

    What has no family has black dots.
    """
    known = method if method in COLOURS else method.split("_")[0]
    return {
        "color": COLOURS.get(known, "black"),
        "marker": MARKERS.get(known, "o"),
        "linestyle": DASHES.get(known, "-"),
    }


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """A row for each name, the first on top, and a grid along the values."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(axis="x", alpha=0.3)


def bare(ax: Axes) -> None:
    """A picture's axes: without ticks, frame and grid."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)


def shared_legend(figure: Figure, ax: Axes) -> None:
    """One legend below all panels, from one that has every kind of mark."""
    handles, labels = ax.get_legend_handles_labels()
    labels = ["margin, closed form" if label.startswith("margin") else label for label in labels]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def save_figure(figure: Figure, path: Path) -> None:
    """Write a png, whole or not at all."""
    write_atomically(path, lambda handle: figure.savefig(handle, format="png"))
