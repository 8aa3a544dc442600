"""The figures of ImageNet: what changes between recipes, crops of one image, a table beside ours.

Explained in notebooks/11_imagenet.ipynb.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from distill_lib.plots.style import COLOURS, bare

FIELDS = {
    "the loss": ("terms",),
    "the networks": ("student", "teacher", "teacher_mode"),
    "the data": ("data", "image_size", "augment", "train_limit"),
    "the training": ("optim", "batch_size", "epochs", "precision", "seed"),
}
"""What a recipe says of each part of an experiment: its fields, but for names and remarks."""


def recipe_changes(ax: Axes, comparisons: Mapping[str, Sequence[str]]) -> None:
    """Which fields of a recipe change, a row for each, in several comparisons of two recipes.

    Args:
        ax: where to draw.
        comparisons: what is compared -> the fields that `what_differs` found, dotted.
    """
    names = [name for group in FIELDS.values() for name in group]
    for x, changed in enumerate(comparisons.values()):
        tops = {key.split(".")[0] for key in changed}
        full = [y for y, name in enumerate(names) if name in tops]
        same = [y for y, name in enumerate(names) if name not in tops]
        labels = ("changes", "stays") if x == 0 else (None, None)
        ax.plot([x] * len(full), full, "s", color=COLOURS["ofd"], markersize=10, label=labels[0])
        ax.plot([x] * len(same), same, "o", mec="#bbbbbb", mfc="white", ms=5, label=labels[1])
    row = 0
    for group, members in FIELDS.items():
        if row:
            ax.axhline(row - 0.5, color="#dddddd", linewidth=1)
        middle = row + (len(members) - 1) / 2
        ax.text(len(comparisons) - 0.45, middle, group, va="center", style="italic")
        row += len(members)
    ax.set_yticks(range(len(names)), names)
    ax.set_xticks(range(len(comparisons)), list(comparisons))
    ax.set(xlim=(-0.5, len(comparisons) - 0.5), ylim=(len(names) - 0.5, -0.5))
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.grid(visible=False)


@dataclass(frozen=True)
class Cut:
    """A part of an image, as a network gets it.

    Attributes:
        title: which it is.
        box: top, left, height, width in the whole image, in pixels.
        pixels: what comes of it, (3, size, size), 0..255.
        mirrored: whether left and right are exchanged.
    """

    title: str
    box: tuple[int, int, int, int]
    pixels: Tensor
    mirrored: bool = False


def cuts_of_one_image(axes: np.ndarray, image: Tensor, cuts: Sequence[Cut]) -> None:
    """Where each part is cut out of one image, and below it what the network sees.

    Args:
        axes: two rows, a column for each part, (2, n).
        image: the whole, (3, H, W), 0..255.
        cuts: n parts.
    """
    for (above, below), cut in zip(axes.T, cuts, strict=True):
        top, left, height, width = cut.box
        above.imshow(image.permute(1, 2, 0).cpu().numpy())
        edge = {"edgecolor": COLOURS["kd"], "facecolor": "none", "linewidth": 2.5}
        above.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, **edge))
        above.set_title(cut.title, fontsize=9)
        share = height * width / (image.shape[1] * image.shape[2])
        above.set_xlabel(f"{100 * share:.0f} % of the area", fontsize=8)
        below.imshow(cut.pixels.permute(1, 2, 0).byte().cpu().numpy())
        below.set_xlabel("mirrored" if cut.mirrored else "as it is", fontsize=8)
        for ax in (above, below):
            bare(ax)


def published_and_ours(
    axes: Sequence[Axes],
    published: Mapping[str, Sequence[float]],
    ours: Mapping[str, Sequence[float]],
) -> None:
    """Two dot plots with the same rows: the published accuracies hollow, ours filled.

    Args:
        axes: left for the published, right for ours.
        published: row -> its accuracies (%), one for each run.
        ours: row -> ours (%), one for each seed; rows without a run say so.
    """
    rows = list(published)
    for y, row in enumerate(rows):
        runs = ours.get(row, ())
        colour = COLOURS["plain" if y == 0 else "cd" if ".cd." in row else "kd"]
        look = {"marker": "o", "linestyle": "none", "markersize": 8, "color": colour}
        axes[0].plot(published[row], [y] * len(published[row]), fillstyle="none", **look)
        axes[1].plot(runs, [y] * len(runs), **look)
        if not runs:
            middle = {"transform": axes[1].get_yaxis_transform(), "ha": "center", "va": "center"}
            axes[1].text(0.5, y, "not run yet", color="#666666", style="italic", **middle)
    for ax in axes:
        ax.set(yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5))
        ax.grid(axis="x", alpha=0.3)
        ax.margins(x=0.15)
    axes[0].set_yticklabels(rows)
    axes[0].set(xlabel="top-1 on ImageNet (%)", title="published")
    axes[1].set(xlabel="top-1 on Imagenette, 64 pixels (%)", title="ours")
    axes[1].tick_params(labelleft=False)
    if not any(len(ours.get(row, ())) for row in rows):
        axes[1].set_xticks([])
