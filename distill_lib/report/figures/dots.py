"""Methods by their mean, with the interval of the difference to the plain student."""

import statistics
from collections.abc import Sequence

from distill_lib.report.figures.figure import Figure, distilled_of
from distill_lib.report.groups import Group, paired_difference, plain_of


def dot_plot(groups: Sequence[Group]):
    """Methods by their mean, seeds as dots, and the interval of the difference to plain."""
    import matplotlib.pyplot as plt

    from distill_lib import plots

    distilled = distilled_of(groups)
    task = distilled[0][0].task
    mean = {id(g): statistics.mean(run.last[task.metric] for run in g) for g in groups}
    plain = plain_of(distilled[0], groups)
    rows = sorted([*distilled, plain], key=lambda group: mean[id(group)], reverse=True)
    plain_look = plots.look("plain") | {"marker": ""}
    label = f"{plots.LABELS['plain']}, the same seeds"
    figure, ax = plt.subplots(figsize=(7, 1 + 0.28 * len(rows)))
    for y, group in enumerate(rows):
        look = plots.look(plots.method_of(group[0].name)) | {"linestyle": "none"}
        values = [run.last[task.metric] for run in group]
        difference = paired_difference(group, plain, task.metric)
        if difference:
            seeds = difference.seeds
            start = statistics.mean(
                run.last[task.metric] for run in plain if run.recipe["seed"] in seeds
            )
            ax.plot([start, start], [y - 0.5, y + 0.5], label=label, zorder=0, **plain_look)
            label = None
            if difference.half_width:
                bar = {"xerr": difference.half_width, "capsize": 3}
                ax.errorbar(start + difference.mean, y, color=look["color"], **bar)
        dots = {"markersize": 8, "markeredgecolor": "white", "markeredgewidth": 0.5}
        ax.plot(values, [y] * len(values), **dots, **look)
    level = distilled[0][0].summary["teacher"][task.metric]
    look = plots.look("teacher") | {"marker": ""}
    ax.axvline(level, label=f"{plots.LABELS['teacher']} {level:.1f} %", zorder=0, **look)
    plots.name_rows(ax, [plots.label_of(group[0].name) for group in rows])
    ax.set_xlabel(f"{task.metrics[task.metric]} after the last epoch (%)")
    figure.legend(loc="outside upper center", ncols=2)
    return figure, ax


DOT_FIGURE = Figure(
    "dots",
    "A row for each method, best mean on top: its runs as dots, the plain student and the "
    "teacher as vertical lines.",
    "A dot is a run. A bar is the 95 % interval of the difference to the plain student, drawn "
    "from the mean of the plain student's runs with the same seeds (dotted): it crosses the dotted "
    "line where the interval holds zero. One seed has no bar.",
    dot_plot,
)
