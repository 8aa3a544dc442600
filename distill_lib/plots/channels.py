"""The distribution of one channel, with its Gaussian and its margin."""

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from distill_lib.plots.style import COLOURS


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


def well_behaved_channel(weight: Tensor, bias: Tensor) -> int:
    """A channel to show: negatives neither rare nor all, so that its margin can be seen."""
    ratio = bias / weight.abs().clamp_min(torch.finfo(weight.dtype).tiny)
    return int((ratio - 0.3).abs().argmin())
