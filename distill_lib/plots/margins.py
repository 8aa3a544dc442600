"""The figures of the margin: where it comes from, what it does, where it is wrong."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from distill_lib.plots.channels import normal_density
from distill_lib.plots.style import COLOURS


def negative_part(ax: Axes, mean: float, sigma: float, margin: float) -> None:
    """N(β, γ²) with its negative part shaded, and the mean of that part: the margin.

    Args:
        ax: where to draw.
        mean, sigma: β and |γ| of a batch norm's channel.
        margin: of `margin_from_batch_norm`, drawn as a dashed line.
    """
    limits = (-5, 5)  # the same in panels that are compared
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
