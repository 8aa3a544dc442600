"""What a network is made of, what it costs, and what the cost buys.

Explained in notebooks/01_data_and_networks.ipynb.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from distill_lib.plots.style import COLOURS, LABELS, MARKERS


class NetworkPoint(NamedTuple):
    """One trained network in the cost-accuracy plane.

    Attributes:
        network: its name, such as WRN-16-2.
        method: how it was trained, a key of `COLOURS`.
        parameters: how many it has.
        top1: per cent.
    """

    network: str
    method: str
    parameters: int
    top1: float


def network_strip(ax: Axes, channels: Sequence[int], sizes: Sequence[int]) -> None:
    """A network as a row of bars, one for each 3x3 convolution, from image to classifier.

    Args:
        ax: where to draw.
        channels: output channels of each convolution, the height of its bar.
        sizes: output pixels along one side; darker and hatched where they are fewer.
    """
    shades = dict(zip(sorted(set(sizes)), plt.colormaps["viridis"]([0.15, 0.5, 0.85]), strict=True))
    hatches = dict(zip(shades, ("xxx", "//", ""), strict=True))
    named = set()
    for i, (height, size) in enumerate(zip(channels, sizes, strict=True), start=1):
        ax.bar(
            i,
            height,
            width=0.85,
            color=shades[size],
            hatch=hatches[size],
            edgecolor="white",
            linewidth=0,
            label=None if size in named else f"{size}x{size} pixels",
        )
        named.add(size)
    ax.set(xlabel="3x3 convolutions, in order", ylabel="channels")
    ax.xaxis.get_major_locator().set_params(integer=True)


def cost_shares(ax: Axes, shares: Mapping[str, Sequence[float]], parts: Sequence[str]) -> None:
    """How costs are shared by the parts of a network: one stacked bar for each cost.

    Args:
        ax: where to draw.
        shares: cost -> its share (0..1) in each part.
        parts: names of the parts, in the order of the network.
    """
    colours = plt.colormaps["viridis"]([0.95, 0.85, 0.5, 0.15, 0.0])
    hatches = ("..", "", "//", "xxx", "++")
    left = [0.0] * len(shares)
    for i, part in enumerate(parts):
        values = [100 * cost[i] for cost in shares.values()]
        style = {"color": colours[i], "hatch": hatches[i], "edgecolor": "white", "linewidth": 0}
        bars = ax.barh(list(shares), values, left=left, height=0.6, label=part, **style)
        texts = [f"{value:.0f} %" if value > 3 else "" for value in values]
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        ax.bar_label(bars, texts, label_type="center", bbox=box)
        left = [start + value for start, value in zip(left, values, strict=True)]
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.set(xlabel="share of the network (%)", xlim=(0, 100))


def cost_accuracy(ax: Axes, points: Sequence[NetworkPoint], *, filled: bool = True) -> None:
    """Parameters (log) against accuracy: a dot for each network, an arrow from teacher to student.

    Args:
        ax: where to draw.
        points: of one data set; every distilled network is taken to have the one teacher in them.
        filled: our own numbers are filled, published ones hollow.
    """
    teacher = next((point for point in points if point.method == "teacher"), None)
    named = set()
    for point in points:
        colour = COLOURS[point.method]
        if teacher is not None and point.method not in ("teacher", "plain"):
            arrow = {"arrowstyle": "->", "color": COLOURS["teacher"], "shrinkA": 7, "shrinkB": 7}
            start, end = (teacher.parameters, teacher.top1), (point.parameters, point.top1)
            ax.annotate("", end, start, arrowprops=arrow)
        ax.plot(
            point.parameters,
            point.top1,
            MARKERS[point.method],
            color=colour,
            markerfacecolor=colour if filled else "white",
            markeredgewidth=1.8,
            markersize=10 if point.method == "plain" else 8,  # seen behind another mark
            linestyle="none",
            label=LABELS[point.method] if point.method not in named else None,
        )
        named.add(point.method)
    for network, parameters in sorted({(p.network, p.parameters) for p in points}):
        lowest = min(p.top1 for p in points if p.network == network)
        above = teacher is not None and network == teacher.network  # arrows leave downwards
        place = {"xytext": (0, 9 if above else -9), "va": "bottom" if above else "top"}
        place |= {"textcoords": "offset points", "ha": "center"}
        ax.annotate(network, (parameters, lowest), **place)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(lambda parameters, _: f"{parameters / 1e6:g} M")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.margins(x=0.25, y=0.25)
    ax.set(xlabel="parameters (log scale)", ylabel="top-1 on test images (%)")
