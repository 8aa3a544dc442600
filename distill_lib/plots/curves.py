"""Top-1 over epochs, and what is left of the gap to the teacher."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from distill_lib.plots.style import COLOURS, LABELS, look


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
            **look(method),
            label=LABELS[method],
        )
    if teacher is not None:
        ax.axhline(teacher, color=COLOURS["teacher"], linewidth=1)
        ax.text(1, teacher, "teacher", color=COLOURS["teacher"], va="bottom", ha="left")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="epoch", ylabel="top-1 on test images (%)")
    ax.legend(loc="lower right")


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
