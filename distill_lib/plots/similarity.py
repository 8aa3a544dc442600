"""The figures of notebook 14: CKA of all pairs of stages, and features in the plane.

Explained in notebooks/14_what_transfers.ipynb.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

CLASS_MARKS = "o^sDvP*Xpd"


def cka_map(ax: Axes, matrix: Sequence[Sequence[float]]) -> None:
    """CKA of every stage of a network (rows) with every stage of its teacher, written in cells.

    Args:
        ax: where to draw.
        matrix: (stages of the network, stages of the teacher).
    """
    values = np.asarray(matrix, dtype=float)
    ax.imshow(values, vmin=0, vmax=1, cmap="viridis")
    for (row, column), value in np.ndenumerate(values):
        colour = "black" if value > 0.6 else "white"
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=9)
    for axis, count in ((ax.xaxis, values.shape[1]), (ax.yaxis, values.shape[0])):
        axis.set_ticks(range(count), range(1, count + 1))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    ax.set(xlabel="teacher's stage", ylabel="student's stage")


def class_clouds(ax: Axes, points: Tensor, labels: Tensor, classes: Sequence[str]) -> None:
    """A dot for each sample, of a colour and a mark for each class.

    Args:
        ax: where to draw.
        points: (N, 2).
        labels: (N,), 0..K-1, K at most 10.
        classes: the K names.
    """
    import seaborn as sns

    colours = sns.color_palette("colorblind", len(classes))
    for k, (name, colour) in enumerate(zip(classes, colours, strict=True)):
        x, y = points[labels == k].T.cpu().numpy()
        mark = {"s": 14, "marker": CLASS_MARKS[k], "color": colour, "linewidth": 0}
        ax.scatter(x, y, alpha=0.7, label=name, **mark)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
