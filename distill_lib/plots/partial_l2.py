"""The figures of partial L2: a plane of (teacher, student) values, and the real pairs in it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from torch import Tensor

REGIONS = ("student low enough", "student too high", "teacher on")
"""s <= t <= 0, then s > t with t <= 0, then t > 0."""
REGION_LOOKS = (("#999999", "//"), ("#E69F00", ".."), ("#0072B2", ""))


HIGHEST = 9.0
"""Loss at the end of the colour scale, the same in panels that are compared."""


def loss_plane(
    ax: Axes,
    teacher: Tensor,
    student: Tensor,
    loss: Tensor,
    gradient: Tensor,
    *,
    dead: Tensor | None = None,
) -> QuadMesh:
    """A loss over (teacher, student) with arrows that say where it pushes the student.

    Args:
        ax: where to draw.
        teacher: (n,), ascending, the x axis.
        student: (n,), ascending, the y axis.
        loss: (n, n), student by teacher.
        gradient: derivative by the student, (n, n); the arrows point against it.
        dead: where nothing is punished, (n, n) of bool; hatched.
    Returns:
        what a colour bar needs.
    """
    mesh = ax.pcolormesh(
        teacher, student, loss, cmap="viridis", vmin=0, vmax=HIGHEST, shading="nearest"
    )
    if dead is not None:
        corner = ax.contourf(
            teacher, student, dead.float(), levels=[0.5, 1.5], colors="none", hatches=["//"]
        )
        corner.set_edgecolor("white")  # of the hatching
        corner.set_linewidth(0)
        ax.contour(teacher, student, dead.float(), levels=[0.5], colors="white", linewidths=1)
    step = max(1, len(teacher) // 9)
    at = np.ix_(range(step // 2, len(student), step), range(step // 2, len(teacher), step))
    push = -gradient.numpy()[at]
    x, y = np.meshgrid(teacher[step // 2 :: step], student[step // 2 :: step])
    arrow = {"angles": "xy", "scale_units": "xy", "scale": 18, "width": 0.009, "color": "white"}
    moves = push != 0
    ax.quiver(
        x[moves],
        y[moves],
        np.zeros(moves.sum()),
        push[moves],
        edgecolor="black",
        linewidth=0.6,
        **arrow,
    )
    ax.axhline(0, color="white", linewidth=0.8)
    ax.axvline(0, color="white", linewidth=0.8)
    ax.set(xlabel="teacher", ylabel="student", aspect="equal")
    ax.grid(visible=False)
    return mesh


def pair_density(
    ax: Axes, teacher: Tensor, student: Tensor, *, limits: tuple[float, float] = (-3, 3)
) -> QuadMesh:
    """How many real pairs lie where in the (teacher, student) plane; logarithmic colours.

    Args:
        ax: where to draw.
        teacher: after margin ReLU, any shape.
        student: after its connector, same shape.
        limits: both axes.
    Returns:
        what a colour bar needs.
    """
    pairs = (x.detach().float().flatten().cpu().numpy() for x in (teacher, student))
    counts, edges, _ = np.histogram2d(*pairs, bins=60, range=(limits, limits))
    share = 100 * counts.T / teacher.numel()
    mesh = ax.pcolormesh(edges, edges, share, cmap="viridis", norm=LogNorm(1e-3, 3))
    low = limits[0]
    ax.fill([low, 0, 0], [low, 0, low], fill=False, hatch="///", edgecolor="#D55E00", linewidth=1.2)
    ax.set(xlabel="teacher, after margin ReLU", ylabel="student", aspect="equal")
    ax.grid(visible=False)
    return mesh


def region_bars(ax: Axes, shares: Mapping[str, Sequence[float]]) -> None:
    """Stacked bars: which share of something falls into each of the three regions.

    Args:
        ax: where to draw.
        shares: label of a bar -> shares (0 to 1) of `REGIONS`, in their order.
    """
    left = np.zeros(len(shares))
    for i, (region, (colour, hatch)) in enumerate(zip(REGIONS, REGION_LOOKS, strict=True)):
        widths = np.array([100 * values[i] for values in shares.values()])
        bars = ax.barh(
            range(len(shares)),
            widths,
            left=left,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            height=0.7,
            label=region,
        )
        texts = [f"{width:.0f}" if width > 5 else "" for width in widths]
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        ax.bar_label(bars, texts, label_type="center", fontsize="small", bbox=box)
        left += widths
    ax.set_yticks(range(len(shares)), list(shares))
    ax.grid(visible=False)
    ax.set(xlim=(0, 100), ylim=(len(shares) - 0.5, -0.5))  # the first bar on top
