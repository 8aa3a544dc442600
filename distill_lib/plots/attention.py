"""The figures of channel distillation: maps and their means, and what a mean keeps.

Explained in notebooks/08_channel_distillation.ipynb.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor

from distill_lib.plots.style import COLOURS


def channel_map(ax: Axes, values: Tensor, *, highest: float) -> AxesImage:
    """One channel after its ReLU, as an image.

    Args:
        ax: where to draw.
        values: (H, W), 0 or more.
        highest: end of the colour scale, the same in maps that are compared.
    Returns:
        what a colour bar needs.
    """
    image = ax.imshow(values.detach().cpu().numpy(), cmap="viridis", vmin=0, vmax=highest)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    return image


def class_means(ax: Axes, means: Tensor, classes: Sequence[str]) -> AxesImage:
    """How far each channel's mean lies above its usual value, for each class.

    Channels are sorted by the class that they like best.

    Args:
        ax: where to draw.
        means: mean over the images of a class, (K, C).
        classes: names of the K classes.
    Returns:
        what a colour bar needs.
    """
    usual = means.mean(0)
    order = (means.argmax(0) * 1e3 - means.amax(0) / usual).argsort()
    ratio = (means / usual)[:, order].cpu().numpy()
    image = ax.imshow(ratio, cmap="viridis", aspect="auto", vmin=0, vmax=5, interpolation="nearest")
    ax.set_yticks(range(len(classes)), classes)
    ax.set(xlabel="channel, sorted by its favourite class", xticks=[])
    ax.grid(visible=False)
    return image


def paired_means(ax: Axes, teacher: Tensor, student: Tensor) -> None:
    """Channel means of one image as pairs of bars, sorted by the teacher's; their correlation.

    A bar pair for 24 channels, evenly over the ranks; the correlation is of all.

    Args:
        ax: where to draw.
        teacher: (C,).
        student: after its connector, (C,).
    """
    shown = 24
    ranks = torch.linspace(0, len(teacher) - 1, shown).round().long()
    picked = teacher.argsort(descending=True)[ranks]
    x = np.arange(shown)
    sides = (("teacher", teacher, "teacher", ""), ("student", student, "cd", "////"))
    for offset, (label, means, colour, hatch) in zip((-0.21, 0.21), sides, strict=True):
        ax.bar(
            x + offset,
            means[picked].detach().cpu().numpy(),
            width=0.42,
            color=COLOURS[colour],
            hatch=hatch,
            edgecolor="white",
            linewidth=0.4,
            label=label,
        )
    together = torch.corrcoef(torch.stack([teacher, student]))[0, 1]
    text = f"correlation of all {len(teacher)}: {together:.2f}"
    ax.text(0.98, 0.95, text, transform=ax.transAxes, ha="right", va="top")
    ax.set(xlabel="channel, sorted by the teacher", ylabel="mean", xticks=[], xlim=(-0.7, shown))


def mean_distributions(ax: Axes, teacher: Tensor, student: Tensor, *, highest: float) -> None:
    """Distributions of all channel means of one stage, the student's over the teacher's.

    Args:
        ax: where to draw.
        teacher, student: (N, C).
        highest: end of the x axis, the same in panels that are compared.
    """
    import seaborn

    for label, means, colour, dash in (
        ("teacher", teacher, "teacher", "-"),
        ("student", student, "cd", "-."),
    ):
        seaborn.histplot(
            x=means.detach().flatten().cpu().numpy(),
            bins=np.linspace(0, highest, 41),
            stat="density",
            element="step",
            fill=label == "teacher",
            color=COLOURS[colour],
            linestyle=dash,
            linewidth=1.8,
            label=label,
            ax=ax,
        )
    ax.set(xlim=(0, highest), xlabel="mean of a channel", ylabel="density")


def labelled_bars(
    ax: Axes, values: Mapping[str, float], *, unit: str, level: float, level_label: str
) -> None:
    """Level bars with their values, and one value to compare them with as a line.

    Args:
        ax: where to draw.
        values: label -> value, the first on top.
        unit: of the x axis.
        level, level_label: drawn as a dashed line.
    """
    bars = ax.barh(range(len(values)), list(values.values()), height=0.6, color=COLOURS["teacher"])
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.axvline(level, color="black", linestyle="--", linewidth=1, label=level_label, zorder=1)
    ax.bar_label(bars, fmt="%.0f", padding=4, bbox=box, zorder=3)
    ax.legend(loc="center right")
    ax.set_yticks(range(len(values)), list(values))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=unit, xlim=(0, 1.12 * max(level, *values.values())))


def sorted_means(ax: Axes, lines: Mapping[str, Tensor]) -> None:
    """Channel means of one image under several conditions, all sorted by the first.

    Args:
        ax: where to draw.
        lines: label -> (C,); the first is a solid line, the others markers.
    """
    order = next(iter(lines.values())).argsort(descending=True)
    looks = (
        {"color": COLOURS["teacher"], "linewidth": 2},
        {"color": COLOURS["kd"], "marker": "o", "markersize": 4, "linestyle": ""},
        {"color": COLOURS["ofd"], "marker": "x", "markersize": 5, "linestyle": ""},
    )
    for (label, means), look in zip(lines.items(), looks, strict=False):
        ax.plot(means[order].detach().cpu().numpy(), label=label, **look)
    ax.set(xlabel="channel, sorted by the solid line", ylabel="mean of the channel")
    ax.legend()
