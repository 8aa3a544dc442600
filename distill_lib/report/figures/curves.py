"""A line for each method over the course of training: its gain, and its cost."""

import statistics
from collections.abc import Callable, Sequence

from distill_lib.records import RunRecord
from distill_lib.report.figures.figure import Figure, distilled_of
from distill_lib.report.groups import Group, plain_of

TRAINING_COST = 3
"""Multiply-adds of a training step for one of its forward pass: the backward pass has two."""


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

    distilled = distilled_of(groups)
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
