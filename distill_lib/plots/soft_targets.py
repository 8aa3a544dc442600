"""What a teacher's softened probabilities look like.

Explained in notebooks/02_soft_targets.ipynb.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor

from distill_lib.plots.style import COLOURS


def class_bars(ax: Axes, probabilities: Tensor, classes: Sequence[str], *, label: int) -> None:
    """One image's probabilities, a bar for each class; the true class hatched.

    Args:
        ax: where to draw.
        probabilities: (K,).
        classes: names of the K classes.
        label: the true class.
    """
    bars = ax.barh(range(len(classes)), probabilities, color=COLOURS["teacher"], height=0.75)
    bars[label].set(hatch="///", facecolor="white", edgecolor=COLOURS["teacher"])
    texts = [f"{value:.2f}" if value >= 0.05 else "" for value in probabilities.tolist()]
    ax.bar_label(bars, texts, padding=3, fontsize=8)
    ax.set_yticks(range(len(classes)), classes)
    ax.grid(visible=False)
    ax.set(
        xlabel="probability", xlim=(0, 1.15), xticks=(0, 0.5, 1), ylim=(len(classes) - 0.5, -0.5)
    )


def similarity_matrix(
    ax: Axes, matrix: Tensor, classes: Sequence[str], *, highest: float
) -> AxesImage:
    """Mean probability that images of one class give to each class, the diagonal left out.

    The diagonal is many times larger than the rest and would take the whole colour scale: it is
    written as a number instead.

    Args:
        ax: where to draw.
        matrix: (K, K), a row for each true class; rows sum to 1.
        classes: names of the K classes.
        highest: upper end of the colours, the same in panels that are compared.
    Returns:
        the image, for a colour bar.
    """
    values = matrix.numpy(force=True)
    shown = np.ma.masked_where(np.eye(len(values), dtype=bool), values)
    image = ax.imshow(shown, cmap="viridis", vmin=0, vmax=highest)
    for i, value in enumerate(values.diagonal()):
        ax.text(i, i, f"{value:.2f}".lstrip("0"), ha="center", va="center", fontsize=8)
    ax.set_xticks(range(len(classes)), classes, rotation=90)
    ax.set_yticks(range(len(classes)), classes)
    ax.grid(visible=False)
    ax.set(xlabel="the teacher's class", ylabel="true class")
    return image


def softening(
    ax: Axes, temperatures: Tensor, probabilities: Tensor, classes: Sequence[str]
) -> None:
    """One image's probabilities over the temperature, the four likeliest classes named.

    Args:
        ax: where to draw.
        temperatures: (n,), ascending.
        probabilities: (n, K).
        classes: names of the K classes.
    """
    order = probabilities[0].argsort(descending=True).tolist()
    looks = [("-", COLOURS["teacher"]), ("--", "#D55E00"), ("-.", "#009E73"), (":", "black")]
    for place, k in enumerate(order):
        dash, colour = looks[place] if place < len(looks) else ("-", "#BBBBBB")
        name = classes[k] if place < len(looks) else None
        name = "the other classes" if place == len(looks) else name
        width = 2 if place < len(looks) else 0.8
        ax.plot(temperatures, probabilities[:, k], dash, color=colour, linewidth=width, label=name)
    ax.axhline(1 / len(classes), color="black", linewidth=0.6)
    ax.set_xscale("log", base=2)
    ticks = [t for t in (1, 2, 4, 8, 16, 32, 64) if temperatures[0] <= t <= temperatures[-1]]
    ax.set_xticks(ticks, ticks)
    ax.set(xlabel="temperature T (log scale)", ylabel="probability", ylim=(0, 1))
    ax.legend(loc="upper right")


def ranking_places(ax: Axes, shares: Tensor, groups: Sequence[str]) -> None:
    """At which place of a network's ranking a class stands, for groups of images.

    Args:
        ax: where to draw.
        shares: (G, K), the share of a group's images for which it stands at place 1, …, K.
        groups: names of the G groups.
    """
    percent = 100 * shares
    ax.imshow(percent.numpy(force=True), cmap="viridis", vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(percent.numpy(force=True)):
        if value >= 0.5:
            colour = "black" if value > 60 else "white"
            ax.text(column, row, f"{value:.0f}", ha="center", va="center", color=colour)
    places = range(shares.shape[1])
    ax.set_xticks(places, [str(place + 1) for place in places])
    ax.set_yticks(range(len(groups)), groups)
    ax.grid(visible=False)


def gradient_sizes(
    ax: Axes, temperatures: Sequence[float], sizes: Mapping[str, Sequence[float]], *, level: float
) -> None:
    """Size of a loss's gradient over the temperature, both on log scales.

    Args:
        ax: where to draw.
        temperatures: ascending.
        sizes: name of the loss -> its gradient's norm at each temperature; at most two.
        level: the same of cross entropy, which has no temperature.
    """
    looks = (("^--", COLOURS["kd"]), ("o:", "black"))
    for (name, values), (look, colour) in zip(sizes.items(), looks, strict=False):
        ax.plot(temperatures, values, look, color=colour, label=name)
    ax.axhline(level, color=COLOURS["plain"], linewidth=2, label="cross entropy")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(temperatures, [f"{t:g}" for t in temperatures])
    ax.set(xlabel="temperature T (log scale)", ylabel="norm of the gradient (log scale)")
    ax.legend(loc="lower left")
