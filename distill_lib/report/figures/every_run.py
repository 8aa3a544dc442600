"""Every run beside the published numbers."""

from collections.abc import Sequence

from distill_lib.records import RunRecord
from distill_lib.report.groups import group_by_seed
from distill_lib.report.rows import published_rows
from distill_lib.tasks import TASKS


def report_figure(records: Sequence[RunRecord]):
    """A dot for each run, the published numbers hollow beside them; (figure, axes of tasks)."""
    import matplotlib.pyplot as plt

    from distill_lib import plots

    plots.use_style()
    groups = group_by_seed(records)
    tasks = [task for task in TASKS.values() if any(g[0].task == task for g in groups)]
    parts = [[group for group in groups if group[0].task == task] for task in tasks]
    figure, axes = plt.subplots(
        len(parts),
        figsize=(7, len(parts) + 0.45 * len(groups)),
        height_ratios=[1 + len(part) for part in parts],
        squeeze=False,
    )
    for ax, task, part in zip(axes[:, 0], tasks, parts, strict=True):
        for y, group in enumerate(part):
            look = plots.look(plots.method_of(group[0].name)) | {"linestyle": "none"}
            ax.plot([run.last[task.metric] for run in group], [y] * len(group), **look)
            said = published_rows(group[0].recipe)
            own = [row[task.metric] for row in said if row.get(task.metric)]
            ax.plot(own, [y] * len(own), **(look | {"fillstyle": "none"}))
        plots.name_rows(ax, [f"{group[0].name}\n{group[0].recipe['budget']}" for group in part])
        label = task.metrics[task.metric]
        ax.set_xlabel(f"{label} after the last epoch (%): filled ours, hollow published")
    return figure, axes[:, 0]
