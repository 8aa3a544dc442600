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
    measured: float | None = None,
) -> None:
    """Distribution of one channel's pre-ReLU values, its Gaussian and its margin.

    Args:
        ax: where to draw.
        values: any shape; every value counts once.
        normal: (mean, standard deviation) of the batch norm's promise, drawn as a line.
        margin: drawn as a dashed vertical line.
        limits: range of the values on the x axis.
        filled: bars for one distribution, steps to lay a second over it.
        measured: the mean of the negative values, a triangle on the axis; the bars below 0 are
            drawn darker then.
    """
    flat = values.detach().float().flatten().cpu().numpy()
    low, high = limits or (float(np.quantile(flat, 0.001)), float(np.quantile(flat, 0.999)))
    bins = np.linspace(low, high, 61)
    if measured is not None:  # an edge at 0, so that no bar is on both sides
        bins = bins - bins[np.abs(bins).argmin()]
    style = {"histtype": "stepfilled", "alpha": 0.45} if filled else {"histtype": "step", "lw": 1.8}
    ax.hist(flat, bins=bins, density=True, color=colour, label=label, **style)
    if measured is not None:
        bars, edges = np.histogram(flat, bins=bins, density=True)
        ax.stairs(np.where(edges[1:] <= 0, bars, 0), edges, color=colour, alpha=0.5, fill=True)
        ax.plot(
            [measured],
            [0],
            "^",
            color=colour,
            markersize=9,
            clip_on=False,
            zorder=3,
            label="mean of the negatives, measured",
        )
    if normal is not None:
        x = np.linspace(low, high, 200)
        ax.plot(x, normal_density(x, *normal), color="black", linewidth=1, label="N(β, γ²)")
    ax.axvline(0, color="black", linewidth=0.6)
    if margin is not None:
        ax.axvline(
            margin, color="black", linestyle="--", linewidth=1.2, label=f"margin {margin:.2f}"
        )
    ax.set(xlabel="value before the ReLU", ylabel="density", xlim=(low, high))


def normal_density(x: np.ndarray, mean: float, sigma: float) -> np.ndarray:
    """Density of N(mean, sigma²) at x."""
    return np.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))


def negative_part(
    ax: Axes, mean: float, sigma: float, margin: float, *, limits: tuple[float, float] = (-5, 5)
) -> None:
    """N(β, γ²) with its negative part shaded, and the mean of that part: the margin.

    Args:
        ax: where to draw.
        mean, sigma: β and |γ| of a batch norm's channel.
        margin: of `margin_from_batch_norm`, drawn as a dashed line.
        limits: range of the x axis, the same in panels that are compared.
    """
    x = np.linspace(*limits, 601)
    density = normal_density(x, mean, sigma)
    ax.plot(x, density, color="black", linewidth=1.2)
    ax.fill_between(x, density, where=x <= 0, color=COLOURS["teacher"], alpha=0.45, linewidth=0)
    ax.axvline(0, color="black", linewidth=0.6)
    ax.axvline(margin, color="black", linestyle="--", linewidth=1.2)
    ax.set(xlabel="value before the ReLU", ylabel="density", xlim=limits)
    ax.set_ylim(bottom=0)


def relu_variants(ax: Axes, x: Tensor, outputs: Mapping[str, Tensor]) -> None:
    """Activations over their input: the first solid and grey, the others dashed and coloured.

    Args:
        ax: where to draw.
        x: inputs, (n,), ascending.
        outputs: label -> (n,), what becomes of x.
    """
    looks = [("#999999", "-", 4.0), (COLOURS["teacher"], "--", 2.0), (COLOURS["ofd"], "-.", 2.0)]
    for (label, y), (colour, dash, width) in zip(outputs.items(), looks, strict=False):
        ax.plot(x, y, color=colour, linestyle=dash, linewidth=width, label=label)
    ax.axhline(0, color="black", linewidth=0.6)
    ax.axvline(0, color="black", linewidth=0.6)
    ax.set(xlabel="teacher feature before the ReLU", ylabel="what the student is to match")
    ax.legend(loc="upper left")


def margin_tails(ax: Axes, ratio: Tensor, margins: Mapping[str, Tensor]) -> None:
    """Margins in units of |γ| where negatives grow rare: the paper's code and the exact mean.

    Args:
        ax: where to draw.
        ratio: β/|γ|, (n,), ascending.
        margins: "paper" and "exact" -> margin/|γ|, (n,).
    """
    looks = {
        "paper": ("authors' code", COLOURS["ofd"], "--"),
        "exact": ("exact conditional mean", COLOURS["teacher"], "-"),
    }
    for tail, margin in margins.items():
        label, colour, dash = looks[tail]
        ax.plot(ratio, margin, color=colour, linestyle=dash, linewidth=2, label=label)
    ax.set(xlabel="β / |γ|", ylabel="margin / |γ|")
    ax.legend(loc="lower left")


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


def agreement(ax: Axes, measured: Tensor, closed_form: Tensor, *, low: float | None = None) -> None:
    """Closed-form margins against the mean of the negatives, one dot for each channel.

    Args:
        ax: where to draw.
        measured: (C,) sample means of the negative values.
        closed_form: (C,) of `margin_from_batch_norm`.
        low: lower end of both axes, the same in panels that are compared.
    """
    x, y = measured.cpu().numpy(), closed_form.cpu().numpy()
    fixed = low is not None
    low = float(min(x.min(), y.min())) * 1.05 if low is None else low
    ax.plot([low, 0], [low, 0], color="black", linewidth=0.8)
    ax.plot(x, y, "o", color=COLOURS["teacher"], markersize=4, alpha=0.7)
    ax.set(xlabel="mean of the negatives, measured", ylabel="margin, closed form")
    if fixed:
        ax.set(xlim=(low, 0), ylim=(low, 0))
    ax.set_aspect("equal", adjustable="box" if fixed else "datalim")


def shared_legend(figure: Figure, ax: Axes) -> None:
    """One legend below all panels, from one that has every kind of mark."""
    handles, labels = ax.get_legend_handles_labels()
    labels = ["margin, closed form" if label.startswith("margin") else label for label in labels]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def save_figure(figure: Figure, path: Path) -> None:
    """Write a png, whole or not at all."""
    write_atomically(path, lambda handle: figure.savefig(handle, format="png"))


def well_behaved_channel(weight: Tensor, bias: Tensor) -> int:
    """A channel to show: negatives neither rare nor all, so that its margin can be seen."""
    ratio = bias / weight.abs().clamp_min(torch.finfo(weight.dtype).tiny)
    return int((ratio - 0.3).abs().argmin())
