"""The figures of evidence: choices with their seeds, published numbers beside ours, every curve.

Explained in notebooks/07_ablation.ipynb and notebooks/10_full_cifar10.ipynb.
"""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from distill_lib.plots.style import COLOURS, label_of, look, method_of, name_rows

SEED_MARKS = "o^sDvP*X"
"""A seed keeps its mark from row to row."""
SEED_STEP = 0.12
"""Of a row's height, between one seed and the next."""


def design_dots(
    axes: Sequence[Axes],
    rows: Mapping[str, Mapping[int, float]],
    differences: Mapping[str, tuple[float, float | None]],
    base: str,
) -> None:
    """Every run of every choice, and how far each choice is from the base, paired by seed.

    Args:
        axes: left for the runs, a thin line through those of one seed; right for the differences.
        rows: choice -> seed -> top-1 (%).
        differences: choice -> mean and half width of its interval (None: one seed), in points.
        base: the choice that the others are compared with.
    """
    seeds = sorted({seed for runs in rows.values() for seed in runs})
    for i, seed in enumerate(seeds):
        mark = SEED_MARKS[i % len(SEED_MARKS)]
        aside = SEED_STEP * (i - (len(seeds) - 1) / 2)  # or equal runs would hide each other
        own = [(runs[seed], y + aside) for y, runs in enumerate(rows.values()) if seed in runs]
        axes[0].plot(*zip(*own, strict=True), color="#bbbbbb", linewidth=1, zorder=1)
        for y, (name, runs) in enumerate(rows.items()):
            if seed not in runs:
                continue
            dot = {"marker": mark, "s": 45, "color": COLOURS["ofd" if name == base else "plain"]}
            label = f"seed {seed}" if y == 0 else None
            axes[0].scatter(
                runs[seed], y + aside, edgecolor="black", linewidth=0.6, label=label, **dot
            )
            if name != base and seed in rows[base]:
                axes[1].scatter(runs[seed] - rows[base][seed], y + aside, alpha=0.5, **dot)
    for y, name in enumerate(rows):
        if name in differences and name != base:
            mean, half_width = differences[name]
            bar = {"color": "black", "capsize": 4, "elinewidth": 1.5}
            axes[1].errorbar(mean, y, xerr=half_width, marker="|", markersize=12, **bar)
    axes[1].axvline(0, color=COLOURS["ofd"], linewidth=1.5)
    for ax in axes:
        name_rows(ax, list(rows))
    axes[1].tick_params(labelleft=False)
    axes[0].set_xlabel("top-1 after the last epoch (%)")
    axes[1].set_xlabel(f"difference to {base} of the same seed (points)")


def published_beside_ours(
    ax: Axes, published: Mapping[str, Sequence[float]], ours: Mapping[str, Sequence[float]]
) -> None:
    """Numbers that were published, hollow, the later record square; our runs filled, below them.

    Args:
        ax: where to draw.
        published: row -> its top-1 (%), the first record and the later one.
        ours: row -> top-1 (%) of each of our runs; rows without one say so.
    """
    marks = {"first record": "o", "later record": "s"}
    for y, (row, numbers) in enumerate(published.items()):
        colour = COLOURS[{"teacher": "teacher", "student alone": "plain"}.get(row, "ofd")]
        for (record, mark), value in zip(marks.items(), numbers, strict=True):
            hollow = {"color": colour, "fillstyle": "none", "markersize": 9, "linestyle": "none"}
            ax.plot(value, y - 0.15, mark, label=record if y == 0 else None, **hollow)
            side = "left" if value == max(numbers) else "right"
            ax.annotate(f"{value:.2f}", (value, y - 0.28), ha=side, va="bottom", fontsize=9)
        if runs := ours.get(row, ()):
            ax.plot(runs, [y + 0.2] * len(runs), "D", color=colour, markersize=6)
        else:
            where = {"transform": ax.get_yaxis_transform(), "va": "center", "ha": "right"}
            ax.text(0.99, y + 0.25, "ours: not run yet", color="#666666", style="italic", **where)
    ax.set_yticks(range(len(published)), published)
    ax.set_ylim(len(published) - 0.4, -0.7)
    ax.grid(axis="x", alpha=0.3)
    ax.margins(x=0.2)
    ax.set_xlabel("top-1 on CIFAR-10 (%)")


def curves_of_seeds(
    ax: Axes, curves: Mapping[str, Sequence[Sequence[float]]], *, teacher: float | None = None
) -> None:
    """Top-1 by epoch, a line for each run, those of one method alike.

    Args:
        ax: where to draw.
        curves: recipe -> for each seed its top-1 (%) after epochs 1, 2, ….
        teacher: its top-1 (%), a level line.
    """
    for recipe, runs in curves.items():
        style = look(method_of(recipe)) | {"markersize": 4, "linewidth": 1.2}
        for i, values in enumerate(runs):
            label = f"{label_of(recipe)} ({len(runs)})" if i == 0 else None
            ax.plot(range(1, len(values) + 1), values, label=label, **style)
    if teacher is not None:
        ax.axhline(teacher, color=COLOURS["teacher"], linewidth=1)
        ax.text(1, teacher, f"teacher {teacher:.1f}", color=COLOURS["teacher"], va="bottom")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="epoch", ylabel="top-1 on test images (%)")
    ax.legend(loc="lower right", title="method (runs)")
