"""The house style and the figures that demo, report and notebooks share.

A plot function takes data and axes, draws, and neither trains, shows nor saves. Colours mean the
same thing everywhere and are never alone: markers and dashes go with them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

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


def learning_curves(
    ax: Axes, curves: Mapping[str, Sequence[float]], *, teacher: float | None = None
) -> None:
    """Top-1 by epoch, one line for each method, the teacher as a level line.

    Args:
        ax: where to draw.
        curves: method -> top-1 (%) after epochs 1, 2, ….
        teacher: its top-1 (%).
    """
    for method, values in curves.items():
        ax.plot(
            range(1, len(values) + 1),
            values,
            color=COLOURS[method],
            marker=MARKERS[method],
            linestyle=DASHES[method],
            label=LABELS[method],
        )
    if teacher is not None:
        ax.axhline(teacher, color=COLOURS["teacher"], linewidth=1)
        ax.text(1, teacher, "teacher", color=COLOURS["teacher"], va="bottom", ha="left")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="epoch", ylabel="top-1 on test images (%)")
    ax.legend(loc="lower right")


def channel_histogram(
    ax: Axes,
    values: Tensor,
    *,
    colour: str = COLOURS["teacher"],
    label: str | None = None,
    normal: tuple[float, float] | None = None,
    margin: float | None = None,
    limits: tuple[float, float] | None = None,
    filled: bool = True,
) -> None:
    """Distribution of one channel's pre-ReLU values, its Gaussian and its margin.

    Args:
        ax: where to draw.
        values: any shape; every value counts once.
        normal: (mean, standard deviation) of the batch norm's promise, drawn as a line.
        margin: drawn as a dashed vertical line.
        limits: range of the values on the x axis.
        filled: bars for one distribution, steps to lay a second over it.
    """
    flat = values.detach().float().flatten().cpu().numpy()
    low, high = limits or (float(np.quantile(flat, 0.001)), float(np.quantile(flat, 0.999)))
    bins = np.linspace(low, high, 61)
    style = {"histtype": "stepfilled", "alpha": 0.45} if filled else {"histtype": "step", "lw": 1.8}
    ax.hist(flat, bins=bins, density=True, color=colour, label=label, **style)
    if normal is not None:
        mean, sigma = normal
        x = np.linspace(low, high, 200)
        density = np.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        ax.plot(x, density, color="black", linewidth=1, label="N(β, γ²)")
    ax.axvline(0, color="black", linewidth=0.6)
    if margin is not None:
        ax.axvline(
            margin, color="black", linestyle="--", linewidth=1.2, label=f"margin {margin:.2f}"
        )
    ax.set(xlabel="value before the ReLU", ylabel="density", xlim=(low, high))


def gap_bars(ax: Axes, gaps: Mapping[str, float]) -> None:
    """Points of top-1 still missing to the teacher, one bar for each method."""
    methods = list(gaps)
    bars = ax.barh(
        range(len(methods)),
        [gaps[m] for m in methods],
        color=[COLOURS[m] for m in methods],
        height=0.6,
    )
    ax.bar_label(bars, fmt="%.1f", padding=3)
    ax.set_yticks(range(len(methods)), [LABELS[m] for m in methods])
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    ax.grid(axis="y", visible=False)
    ax.axvline(0, color=COLOURS["teacher"], linewidth=1)
    low, high = min(0.0, *gaps.values()), max(0.0, *gaps.values())
    ax.set_xlim(low * 1.2, high * 1.2 or 1)
    ax.set_xlabel("points of top-1 missing to the teacher")


def agreement(ax: Axes, measured: Tensor, closed_form: Tensor) -> None:
    """Closed-form margins against the mean of the negatives, one dot for each channel.

    Args:
        ax: where to draw.
        measured: (C,) sample means of the negative values.
        closed_form: (C,) of `margin_from_batch_norm`.
    """
    x, y = measured.cpu().numpy(), closed_form.cpu().numpy()
    low = float(min(x.min(), y.min())) * 1.05
    ax.plot([low, 0], [low, 0], color="black", linewidth=0.8)
    ax.plot(x, y, "o", color=COLOURS["teacher"], markersize=4, alpha=0.7)
    ax.set(xlabel="mean of the negatives, measured", ylabel="margin, closed form")
    ax.set_aspect("equal", adjustable="datalim")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a png, whole or not at all."""
    write_atomically(path, lambda handle: figure.savefig(handle, format="png"))


def well_behaved_channel(weight: Tensor, bias: Tensor) -> int:
    """A channel to show: negatives neither rare nor all, so that its margin can be seen."""
    ratio = bias / weight.abs().clamp_min(torch.finfo(weight.dtype).tiny)
    return int((ratio - 0.3).abs().argmin())
