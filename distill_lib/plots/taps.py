"""The figures of the taps: what a ReLU throws away, and where along a network one may stand."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from torch import Tensor

from distill_lib.plots.style import COLOURS, DASHES, LABELS, look


class ReluSite(NamedTuple):
    """One ReLU of a network: its name, feature size, and what `find_taps` makes of it."""

    name: str
    size: int
    cuts: bool
    chosen: bool


def around_relu(axes: Sequence[Axes], image: Tensor, features: Tensor) -> None:
    """An image, one channel before the ReLU, and what of it is left after.

    Args:
        axes: three, left to right.
        image: (3, H, W), values 0..255.
        features: one channel before the ReLU, (H, W).
    """
    reach = max(float(features.abs().max()), 1e-6)
    norm = TwoSlopeNorm(0, -reach, reach)
    axes[0].imshow(image.permute(1, 2, 0).cpu().numpy())
    for ax, values in zip(axes[1:], (features, features.relu()), strict=True):
        shown = ax.imshow(values.cpu().numpy(), cmap="RdBu_r", norm=norm)
    for ax in axes:
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
    axes[2].figure.colorbar(shown, ax=axes[2], label="value", shrink=0.85)


def relu_strip(profile: Axes, strip: Axes, sites: Sequence[ReluSite], lost: Sequence[float]):
    """Every ReLU of a network in order: the energy that it throws away, and below, the pins.

    Args:
        profile: for the bars, above.
        strip: for the network, below; the two share their x axis.
        sites: the ReLUs in the order in which they are called.
        lost: for each, the share of the sum of squares of its input that is negative, 0 to 1.
    """
    colours = [COLOURS["teacher"] if site.chosen else "#cccccc" for site in sites]
    hatches = ["//" if site.chosen else "" for site in sites]
    bars = profile.bar(range(len(sites)), [100 * x for x in lost], color=colours, hatch=hatches)
    for bar in bars:
        bar.set_edgecolor("white")
    profile.bar_label(bars, fmt="%.0f", fontsize="small")
    profile.set(ylabel="energy below zero (%)", ylim=(0, 100))
    _resolutions(strip, sites)
    for i, site in enumerate(sites):
        marker = {"marker": "s", "color": "black"} if site.cuts else {"marker": "o", "color": "w"}
        strip.plot(i, 0, markersize=7, markeredgecolor="black", **marker)
        if site.chosen:
            strip.annotate(
                "tap",
                (i, 0.12),
                (i, 0.95),
                ha="center",
                va="top",
                color=COLOURS["teacher"],
                weight="bold",
                arrowprops={"arrowstyle": "-|>", "color": COLOURS["teacher"], "lw": 2},
            )
    for label, marker, face in (
        ("every path runs through it", "s", "black"),
        ("bypassed", "o", "w"),
    ):
        strip.plot([], [], marker, color=face, markeredgecolor="black", label=label)
    strip.legend(loc="upper center", bbox_to_anchor=(0.5, 1.28), ncols=2, borderpad=0)
    strip.set(yticks=[], ylim=(-0.75, 1), xlim=(-0.6, len(sites) - 0.4))
    strip.set_xticks(range(len(sites)), [site.name for site in sites], rotation=40, ha="right")
    strip.spines["left"].set_visible(False)
    strip.grid(visible=False)


def _resolutions(strip: Axes, sites: Sequence[ReluSite]) -> None:
    """A band for each feature size, lower where the size is smaller."""
    sizes = [site.size for site in sites]
    for size in dict.fromkeys(sizes):
        first = sizes.index(size)
        last = len(sizes) - 1 - sizes[::-1].index(size)
        height = 0.15 + 0.35 * size / max(sizes)
        strip.fill_between([first - 0.45, last + 0.45], -height, height, color="#e8e8e8", zorder=0)
        strip.text((first + last) / 2, -0.72, f"{size}x{size}", ha="center", va="bottom")


def shares_by_stage(ax: Axes, shares: Mapping[str, Sequence[float]]) -> None:
    """One share (0 to 1) for each stage, a marker and a line for each network.

    Args:
        ax: where to draw.
        shares: teacher, plain, ofd, … -> one value for each stage.
    """
    for network, values in shares.items():
        ax.plot(
            range(1, len(values) + 1),
            [100 * value for value in values],
            **look(network),
            markersize=8,
            label=LABELS[network],
        )
    stages = len(next(iter(shares.values())))
    ax.set_xticks(range(1, stages + 1))
    ax.set(xlabel="stage", ylim=(0, 100), xlim=(0.7, stages + 0.3))


def feature_distributions(
    ax: Axes, features: Mapping[str, Tensor], *, limits: tuple[float, float], top: float
) -> None:
    """Distributions of one stage's features, networks laid over one another.

    Args:
        ax: where to draw.
        features: teacher, plain, ofd, … -> any shape; the teacher's is filled.
        limits: range of the values; the same in panels that are compared.
        top: end of the y axis, in per cent; where zeros go beyond, their share is written out.
    """
    import seaborn

    zeros = {}
    for network, values in features.items():
        flat = values.detach().float().flatten().cpu().numpy()
        seaborn.histplot(
            x=flat[:: max(1, len(flat) // 200_000)],
            bins=np.linspace(*limits, 41),
            stat="percent",
            element="step",
            fill=network == "teacher",
            color=COLOURS[network],
            linestyle=DASHES[network],
            linewidth=1.6,
            label=LABELS[network],
            ax=ax,
        )
        zeros[network] = 100 * float((values == 0).float().mean())
    if max(zeros.values()) > top:
        lines = [f"{LABELS[network]}: {share:.0f} %" for network, share in zeros.items()]
        text = "\n".join(["exactly 0", *lines])
        ax.text(0.04, 0.94, text, transform=ax.transAxes, va="top", fontsize="small")
    ax.axvline(0, color="black", linewidth=0.6)
    ax.set(xlim=limits, ylim=(0, top), xlabel="value", ylabel="share of values (%)")
