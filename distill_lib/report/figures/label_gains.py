"""What each method gains, by the number of training images."""

from collections.abc import Sequence

from distill_lib.report.figures.figure import Figure, distilled_of
from distill_lib.report.groups import Group, difference_to_plain


def label_gains(groups: Sequence[Group]):
    """Each method's difference to the plain student, against how many training images both had."""
    import matplotlib.pyplot as plt

    from distill_lib import plots

    distilled = sorted(distilled_of(groups), key=lambda group: group[0].summary["train_images"])
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


def has_sizes(groups: Sequence[Group]) -> bool:
    """Whether distilled students differ in how many images they were trained on."""
    return len({group[0].summary["train_images"] for group in distilled_of(groups)}) > 1


LABEL_FIGURE = Figure(
    "labels",
    "A line for each method: how far it is above the plain student, against the number of "
    "training images.",
    "Mean difference to the plain student of as many images, after the last epoch; a bar is its "
    "95 % interval, one seed has none. Marks stand a little aside of each other.",
    label_gains,
    has_sizes,
)
