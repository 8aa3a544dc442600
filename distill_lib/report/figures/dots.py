"""Methods by their mean, with the interval of the difference to the plain student."""

import statistics
from collections.abc import Sequence

from distill_lib.report.figures.figure import Figure, distilled_of
from distill_lib.report.groups import Group, difference_to_plain, plain_of


def dot_plot(groups: Sequence[Group]):
    """Methods by their mean, seeds as dots, and the interval of the difference to plain."""
    import matplotlib.pyplot as plt

    from distill_lib import plots

    distilled = distilled_of(groups)
    task = distilled[0][0].task
    mean = {id(g): statistics.mean(run.last[task.metric] for run in g) for g in groups}
    plain = plain_of(distilled[0], groups)
    rows = sorted([*distilled, plain], key=lambda group: mean[id(group)], reverse=True)
    figure, ax = plt.subplots(figsize=(7, 1 + 0.28 * len(rows)))
    for y, group in enumerate(rows):
        look = plots.look(plots.method_of(group[0].name)) | {"linestyle": "none"}
        values = [run.last[task.metric] for run in group]
        difference = difference_to_plain(group, groups)
        if difference and difference.half_width is not None:
            middle = mean[id(plain)] + difference.mean
            ax.errorbar(middle, y, xerr=difference.half_width, color=look["color"], capsize=3)
        dots = {"markersize": 8, "markeredgecolor": "white", "markeredgewidth": 0.5}
        ax.plot(values, [y] * len(values), **dots, **look)
    levels = {"plain": mean[id(plain)], "teacher": _teacher(distilled[0])}
    for method, level in levels.items():
        look = plots.look(method) | {"marker": ""}
        ax.axvline(level, label=f"{plots.LABELS[method]} {level:.1f} %", zorder=0, **look)
    ax.set_yticks(range(len(rows)), [plots.label_of(group[0].name) for group in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="x", alpha=0.3)
    ax.set_xlabel(f"{task.metrics[task.metric]} after the last epoch (%)")
    figure.legend(loc="outside upper center", ncols=len(levels))
    return figure, ax


def _teacher(group: Group) -> float:
    return group[0].summary["teacher"][group[0].task.metric]


DOT_FIGURE = Figure(
    "dots",
    "A row for each method, best mean on top: its runs as dots, the plain student and the "
    "teacher as vertical lines.",
    "A dot is a run. A bar is the 95 % interval of the difference to the plain student, drawn "
    "from the plain student's mean: it crosses the dotted line where the interval holds zero. One "
    "seed has no bar.",
    dot_plot,
)
