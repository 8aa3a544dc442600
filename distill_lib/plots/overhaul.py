"""The figures of OFD as a whole: the road of one pair, student and teacher before and after, the
weight, and the running statistics that the authors' code moves."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from distill_lib.plots.channels import channel_histogram
from distill_lib.plots.style import COLOURS

AUTHORS_SWEEP = {0.0: 28.13, 0.001: 27.72, 0.01: 27.52, 0.1: 28.35, 1.0: 30.22}
"""Factor on OFD's weight -> top-1 error (%) on ImageNet, ResNet-50 (V1D) to MobileNetV2: a comment
of the OFD author in thread 16 of clovaai/overhaul-distillation."""


def overlap(student: Tensor, teacher: Tensor, margin: Tensor | float) -> float:
    """Shared area of two histograms, from 0 (apart) to 1 (the same), after margin ReLU on both.

    All that lies at or below the margin is one value: there OFD asks for no particular depth.

    Args:
        student, teacher: values of one channel, any shapes.
        margin: of that channel.
    """
    values = [v.detach().float().flatten().clamp_min(float(margin)) for v in (student, teacher)]
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    shares = [torch.histc(v, 60, low, high) / v.numel() for v in values]
    return float(torch.minimum(*shares).sum())


def student_beside_teacher(
    ax: Axes,
    student: Tensor,
    teacher: Tensor,
    margin: float,
    *,
    limits: tuple[float, float] | None = None,
) -> None:
    """One channel of the teacher before its ReLU and the student's answer, with their overlap.

    Args:
        ax: where to draw.
        student: the connector's output, any shape.
        teacher: the teacher's tap, any shape.
        margin: of this channel; what lies below it is hatched.
        limits: range of the x axis.
    """
    low, high = limits or _range_of(student, teacher)
    channel_histogram(ax, teacher, limits=(low, high), label="teacher", margin=margin)
    channel_histogram(
        ax, student, limits=(low, high), label="student", colour=COLOURS["ofd"], filled=False
    )
    ax.axvspan(low, margin, facecolor="none", edgecolor="#999999", hatch="///", alpha=0.5, lw=0)
    ax.text(
        *(0.97, 0.95, f"overlap {overlap(student, teacher, margin):.2f}"),
        transform=ax.transAxes,
        ha="right",
        va="top",
    )


def _range_of(*tensors: Tensor) -> tuple[float, float]:
    values = np.concatenate([t.detach().float().flatten().cpu().numpy() for t in tensors])
    return float(np.quantile(values, 0.002)), float(np.quantile(values, 0.998))


def overhaul_road(ax: Axes) -> None:
    """The road of one pair of features, with the four choices on it."""
    rows = {1.0: ("teacher", "teacher"), 0.0: ("student", "ofd")}
    boxes = {
        1.0: ("features\nbefore the ReLU", "margin ReLU\nmax(t, m)", "target\nstops at m"),
        0.0: ("features\nbefore the ReLU", "1x1 convolution,\nbatch norm", "answer\nas wide as t"),
    }
    for y, (role, colour) in rows.items():
        texts = (role, *boxes[y])
        for x, text in enumerate(texts):
            _box(ax, x, y, text, COLOURS[colour], bold=x == 0)
            if x:
                _arrow(ax, (x - 0.62, y), (x - 0.38, y))
        _arrow(ax, (3.38, y), (3.72, 0.5 + 0.22 * (y - 0.5)))
    _box(ax, 4.05, 0.5, "partial L2\nx 1/divisor", "black")
    for x, y, choice in (
        (1, 0.5, "1  position"),
        (2, 1.36, "2  teacher\ntransform"),
        (2, -0.36, "3  student\ntransform"),
        (4.05, 0.86, "4  distance"),
    ):
        ax.text(x, y, choice, ha="center", va="center", fontweight="bold")
    ax.set(xlim=(-0.45, 4.55), ylim=(-0.6, 1.6))
    ax.axis("off")


def _box(ax: Axes, x: float, y: float, text: str, colour: str, bold: bool = False) -> None:
    frame = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": colour, "lw": 1.8}
    weight = "bold" if bold else "normal"
    ax.text(x, y, text, ha="center", va="center", fontsize=9.5, bbox=frame, fontweight=weight)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "lw": 1.4})


def weight_sweep(ax: Axes, errors: Mapping[float, float], *, published: bool) -> None:
    """Top-1 error over the factor on OFD's weight; factor 0 is the student alone.

    Args:
        ax: where to draw.
        errors: factor -> error (%), such as `AUTHORS_SWEEP`.
        published: drawn hollow; filled if the runs are ours.
    """
    alone = errors[0.0]
    factors = sorted(factor for factor in errors if factor > 0)
    ax.axhline(alone, color=COLOURS["plain"], linestyle=":", linewidth=2)
    # At the end where the curve is further away, on the other side of the line.
    ends = {"left": factors[0], "right": factors[-1]}
    side = max(ends, key=lambda end: abs(errors[ends[end]] - alone))
    va = "top" if errors[ends[side]] > alone else "bottom"
    edge = {"left": 0.01, "right": 0.99}[side]
    ax.annotate(
        f"student alone {alone:.2f}",
        (edge, alone),
        (0, -4 if va == "top" else 4),
        xycoords=ax.get_yaxis_transform(),
        textcoords="offset points",
        color="#666666",
        ha=side,
        va=va,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )
    ax.plot(
        factors,
        [errors[factor] for factor in factors],
        color=COLOURS["ofd"],
        marker="D",
        markerfacecolor="white" if published else None,
        markersize=7,
    )
    for i, factor in enumerate(factors):
        before, after = factors[max(i - 1, 0)], factors[min(i + 1, len(factors) - 1)]
        above, rises = errors[factor] > alone, errors[after] > errors[before]
        ax.annotate(
            f"{errors[factor]:.2f}",
            (factor, errors[factor]),
            # Beside the curve: on its left where it rises above the label's place, or falls below.
            (-14 if above == rises else 14, 8 if above else -15),
            textcoords="offset points",
            ha="center",
        )
    ax.set_xscale("log")
    ax.set(xlabel="factor on the default weight (log)", ylabel="top-1 error (%)")
    ax.margins(x=0.17, y=0.25)


def growth_with_resolution(ax: Axes, sizes: Sequence[int], losses: Sequence[float]) -> None:
    """The raw loss of one image over its size, beside the line of the area.

    Args:
        ax: where to draw.
        sizes: heights in pixels, ascending.
        losses: raw OFD loss, already divided by the batch.
    """
    area = [losses[0] * (size / sizes[0]) ** 2 for size in sizes]
    ax.plot(sizes, area, color="black", linestyle="--", linewidth=1, label="area, H x W")
    ax.plot(sizes, losses, color=COLOURS["ofd"], marker="D", linestyle="", label="raw OFD loss")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=10)
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel="image height (pixels, log)", ylabel="raw loss per image (log)")
    ax.legend(loc="upper left")


def lines_over_steps(ax: Axes, lines: Mapping[str, Sequence[float]], *, ylabel: str) -> None:
    """One quantity over training steps, solid and the others dashed.

    Args:
        ax: where to draw.
        lines: label -> values after steps 0, 1, ….
        ylabel: the quantity and its unit.
    """
    looks = (
        (COLOURS["teacher"], "-", 2.2),
        (COLOURS["ofd"], "--", 1.8),
        (COLOURS["kd"], "-.", 1.8),
    )
    for (label, values), (colour, dash, width) in zip(lines.items(), looks, strict=False):
        ax.plot(range(len(values)), values, color=colour, linestyle=dash, lw=width, label=label)
    ax.set(xlabel="training step", ylabel=ylabel)
    ax.legend()
