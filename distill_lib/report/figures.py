"""Figures of records: every run beside the published numbers, and those of RESULTS.md.

Each takes groups of runs and returns (figure, ax); matplotlib comes when one is drawn.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from distill_lib.records import RunRecord
from distill_lib.report.groups import Group, difference_to_plain, group_by_seed, plain_of
from distill_lib.report.rows import published_rows
from distill_lib.similarity import read_cka
from distill_lib.tasks import TASKS

TRAINING_COST = 3
"""Multiply-adds of a training step for one of its forward pass: the backward pass has two."""


def has_gains(groups: Sequence[Group]) -> bool:
    """Whether a distilled student has a plain one of the same seed beside it."""
    return bool(_distilled(groups))


def has_sizes(groups: Sequence[Group]) -> bool:
    """Whether distilled students differ in how many images they were trained on."""
    return len({group[0].summary["train_images"] for group in _distilled(groups)}) > 1


@dataclass(frozen=True)
class Figure:
    """A figure of a table.

    Attributes:
        file: how its file's name ends.
        alt: what it shows, for who cannot see it.
        caption: how it is read.
        draw: of the table's groups, students alone and distilled.
        drawable: whether there are runs enough for it.
    """

    file: str
    alt: str
    caption: str
    draw: Callable[[Sequence[Group]], tuple]
    drawable: Callable[[Sequence[Group]], bool] = has_gains


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
            own = [row[task.metric] for row in published_rows(group[0]) if row.get(task.metric)]
            ax.plot(own, [y] * len(own), **(look | {"fillstyle": "none"}))
        names = [f"{group[0].name}\n{group[0].recipe['budget']}" for group in part]
        ax.set_yticks(range(len(part)), names)
        ax.set_ylim(len(part) - 0.5, -0.5)
        ax.grid(axis="x", alpha=0.3)
        label = task.metrics[task.metric]
        ax.set_xlabel(f"{label} after the last epoch (%): filled ours, hollow published")
    return figure, axes[:, 0]


def dot_plot(groups: Sequence[Group]):
    """Methods by their mean, seeds as dots, and the interval of the difference to plain."""
    import matplotlib.pyplot as plt

    from distill_lib import plots

    distilled = _distilled(groups)
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


def gain_curves(groups: Sequence[Group]):
    """What each method is ahead of the plain student by, after each epoch."""
    return _curves(
        groups,
        lambda run: [epoch["epoch"] for epoch in run.epochs],
        gain=True,
        xlabel="epochs of training",
        ylabel="{metric} above the plain student (points)",
    )


def cost_curves(groups: Sequence[Group]):
    """The metric against the multiply-adds that training spent so far, teacher included."""
    from matplotlib.ticker import LogLocator, NullLocator

    figure, ax = _curves(
        groups,
        lambda run: [training_multiply_adds(run, e["epoch"]) / 1e12 for e in run.epochs],
        gain=False,
        xlabel="training multiply-adds so far (10¹², log scale)",
        ylabel="{metric} (%)",
    )
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    return figure, ax


def training_multiply_adds(run: RunRecord, epochs: int) -> int:
    """Of so many epochs: three student passes and one of the teacher for each image.

    Connectors and losses are not counted, nor what the teacher's own training cost.
    """
    summary = run.summary
    image = TRAINING_COST * summary["multiply_adds"]
    image += summary.get("teacher", {}).get("multiply_adds", 0)
    return image * summary["train_images"] * epochs


def _curves(groups: Sequence[Group], x_of: Callable, *, gain: bool, xlabel: str, ylabel: str):
    """One line for each method: means over the seeds, or over those that the plain one has too."""
    import matplotlib.pyplot as plt

    from distill_lib import plots

    distilled = _distilled(groups)
    task = distilled[0][0].task
    plain = plain_of(distilled[0], groups)
    figure, ax = plt.subplots(figsize=(7, 4))
    for group in distilled if gain else [plain, *distilled]:
        if gain:
            theirs = {run.recipe["seed"]: run.epochs for run in plain_of(group, groups)}
            runs = [run for run in group if run.recipe["seed"] in theirs]
            curves = [
                [
                    mine[task.metric] - other[task.metric]
                    for mine, other in zip(run.epochs, theirs[run.recipe["seed"]], strict=True)
                ]
                for run in runs
            ]
        else:
            runs = group
            curves = [[epoch[task.metric] for epoch in run.epochs] for run in runs]
        means = [statistics.mean(values) for values in zip(*curves, strict=True)]
        method = plots.method_of(group[0].name)
        label = plots.label_of(group[0].name)
        ax.plot(x_of(runs[0]), means, markersize=5, label=label, **plots.look(method))
    if gain:
        # The first half is noise, tens of points wide where cross entropy joins later.
        epochs = plain[0].epochs
        middle = max(len(epochs) // 2, 1)
        late = [y for line in ax.lines for y in line.get_ydata()[middle - 1 :]]
        ax.set_ylim(min(0, *late) - 1, max(0, *late) + 1)
        ax.set_xlim(epochs[middle - 1]["epoch"] - 0.1, epochs[-1]["epoch"] + 0.1)
        ax.axhline(0, label=plots.LABELS["plain"], **(plots.look("plain") | {"marker": ""}))
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel=xlabel, ylabel=ylabel.format(metric=task.metrics[task.metric]))
    best_first = sorted(ax.lines, key=lambda line: line.get_ydata()[-1], reverse=True)
    figure.legend(handles=best_first, loc="outside right center")
    return figure, ax


def label_gains(groups: Sequence[Group]):
    """Each method's difference to the plain student, against how many training images both had."""
    import matplotlib.pyplot as plt

    from distill_lib import plots

    distilled = sorted(_distilled(groups), key=lambda group: group[0].summary["train_images"])
    methods: dict[str, list[Group]] = {}
    for group in distilled:
        methods.setdefault(plots.method_of(group[0].name), []).append(group)
    figure, ax = plt.subplots(figsize=(7, 3.5))
    for i, (method, own) in enumerate(methods.items()):
        aside = 1.06 ** (i - (len(methods) - 1) / 2)
        images = [group[0].summary["train_images"] * aside for group in own]
        gains = [difference_to_plain(group, groups) for group in own]
        means, halves = [gain.mean for gain in gains], [gain.half_width or 0 for gain in gains]
        label = plots.label_of(own[0][0].name)
        ax.errorbar(images, means, yerr=halves, capsize=3, label=label, **plots.look(method))
    ax.axhline(0, label=plots.LABELS["plain"], **(plots.look("plain") | {"marker": ""}))
    ax.set_xscale("log")
    sizes = sorted({group[0].summary["train_images"] for group in distilled})
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.minorticks_off()
    task = distilled[0][0].task
    ax.set(xlabel="training images (log scale)")
    ax.set_ylabel(f"{task.metrics[task.metric]} above the plain student (points)")
    figure.legend(loc="outside right center")
    return figure, ax


def stage_similarity(groups: Sequence[Group]):
    """CKA of each stage of the students with the same stage of the teacher, a row for each method.

    A dot for each run; rows go by their mean, the most alike on top.
    """
    import matplotlib.pyplot as plt

    from distill_lib import plots

    rows = sorted(
        _similarity(groups).items(),
        key=lambda row: statistics.mean(chain.from_iterable(row[1])),
        reverse=True,
    )
    stages = len(rows[0][1][0])
    least = min(min(run) for _, runs in rows for run in runs)
    size = (2.5 + 1.6 * stages, 1.2 + 0.28 * len(rows))
    figure, axes = plt.subplots(1, stages, figsize=size, sharex=True, sharey=True)
    for stage, ax in enumerate(axes):
        for y, (name, runs) in enumerate(rows):
            look = plots.look(plots.method_of(name)) | {"linestyle": "none"}
            ax.plot([run[stage] for run in runs], [y] * len(runs), markersize=8, **look)
        ax.set(title=f"stage {stage + 1}", xlim=(least - 0.05, 1.02), xlabel="CKA")
        ax.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(rows)), [plots.label_of(name) for name, _ in rows])
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    return figure, axes


def has_similarity(groups: Sequence[Group]) -> bool:
    """Whether the CKA of several methods was kept with their records."""
    return len(_similarity(groups)) > 1


def _similarity(groups: Sequence[Group]) -> dict[str, list[list[float]]]:
    """Recipe -> for each run that was measured, the CKA of each stage with the teacher's same."""
    found: dict[str, list[list[float]]] = {}
    for group in groups:
        for cka in filter(None, (read_cka(run.path) for run in group)):
            stages = [row[i] for i, row in enumerate(cka["cka"])]
            found.setdefault(group[0].name, []).append(stages)
    return found


def _distilled(groups: Sequence[Group]) -> list[Group]:
    return [group for group in groups if difference_to_plain(group, groups)]


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
GAIN_FIGURE = Figure(
    "gain",
    "A line for each method: how far it is above the plain student after each epoch.",
    "The gain while the budget is spent, mean over seeds. Epochs before the last are on the way "
    "of one learning-rate schedule, not runs of so many epochs. The axis begins in the middle of "
    "the run.",
    gain_curves,
)
COST_FIGURE = Figure(
    "cost",
    "A line for each method: accuracy after each epoch against the multiply-adds spent so far.",
    "An image costs three times the student's multiply-adds (one forward pass, two for the "
    "backward) and once the teacher's (its forward pass), times images and epochs. Connectors "
    "and the teacher's own training are not counted.",
    cost_curves,
)
CKA_FIGURE = Figure(
    "cka",
    "A row for each method, a panel for each stage: how alike its students' features are to the "
    "teacher's.",
    "Linear CKA after the ReLU at the end of each stage, on the first 1,000 test images: 1 is the "
    "same up to rotation and scale, 0 is nothing in common. A dot is a run. "
    "`python -m distill_lib cka RUN` measures it.",
    stage_similarity,
    has_similarity,
)
LABEL_FIGURE = Figure(
    "labels",
    "A line for each method: how far it is above the plain student, against the number of "
    "training images.",
    "Mean difference to the plain student of as many images, after the last epoch; a bar is its "
    "95 % interval, one seed has none. Marks stand a little aside of each other.",
    label_gains,
    has_sizes,
)
