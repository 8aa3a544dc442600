"""The figures of guided KD and early decay: who is copied, and how much each loss weighs when.

Explained in notebooks/09_guided_and_early_decay.ipynb.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from distill_lib.plots.style import COLOURS

WEIGHT_LOOKS = (
    {"color": COLOURS["cd"], "linestyle": "-", "marker": "v"},
    {"color": COLOURS["plain"], "linestyle": "--", "marker": "o"},
    {"color": COLOURS["kd"], "linestyle": ":", "marker": "^"},
)


def weights_over_epochs(
    ax: Axes,
    weights: Mapping[str, Sequence[float]],
    *,
    drops: Sequence[float] = (),
    warmup: int = 0,
    marks: bool = False,
) -> None:
    """The weight of each loss by epoch; the epochs that train the feature loss alone are shaded.

    Args:
        ax: where to draw.
        weights: label -> weights at epochs 1, 2, ….
        drops: first epochs of a lower learning rate, dotted lines.
        warmup: how many epochs have only one weight above 0; shaded.
        marks: a marker on every epoch, for runs of few.
    """
    if warmup:
        ax.axvspan(0.5, warmup + 0.5, facecolor="#e8e8e8", zorder=0, label="CD alone")
    for number, drop in enumerate(drops):
        label = None if number else "learning rate drops"
        ax.axvline(drop - 0.5, color="black", linestyle=(0, (1, 2)), linewidth=1.2, label=label)
    for (name, values), look in zip(weights.items(), WEIGHT_LOOKS, strict=False):
        epochs = np.arange(1, len(values) + 1)
        style = look | ({} if marks else {"marker": ""})
        ax.step(epochs, values, where="mid", label=name, linewidth=2, markersize=6, **style)
    ax.set(xlabel="epoch", ylabel="weight", xlim=(0.5, len(epochs) + 0.5))
    ax.xaxis.get_major_locator().set_params(integer=True)


def judged_image(ax: Axes, image: Tensor, *, says: str, label: str, weight: float) -> None:
    """A picture, what the teacher says and what the label says, and what KD of it weighs.

    Args:
        ax: where to draw; crossed out where the weight is 0.
        image: (3, H, W), values 0..255.
        says: the teacher's answer.
        label: the true class.
        weight: of this sample in guided KD.
    """
    ax.imshow(image.permute(1, 2, 0).cpu().numpy(), alpha=1 if weight else 0.6)
    colour = COLOURS["teacher"] if weight else COLOURS["ofd"]
    if not weight:
        for ends in ((0.04, 0.96), (0.96, 0.04)):
            ax.plot((0.04, 0.96), ends, color=colour, linewidth=2, transform=ax.transAxes)
    for side in ax.spines.values():
        side.set(visible=True, color=colour, linewidth=2)
    share = f"1/{1 / weight:.0f}" if weight else "0"
    ax.set_title(f"teacher: {says}\nlabel: {label}", fontsize=8)
    ax.set_xlabel(f"weight {share}", fontsize=9, color=colour, weight="bold")
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)


def agreement_of_pulls(ax: Axes, cosines: Mapping[str, Tensor]) -> None:
    """How far the pull of the teacher goes the way of the label's, for groups of samples.

    Args:
        ax: where to draw.
        cosines: group -> cosine of the two gradients of each sample, (n,).
    """
    import seaborn

    looks = ((COLOURS["teacher"], "-"), (COLOURS["ofd"], "--"))
    for (group, values), (colour, dash) in zip(cosines.items(), looks, strict=True):
        seaborn.ecdfplot(
            x=values.detach().cpu().numpy(),
            stat="percent",
            color=colour,
            linestyle=dash,
            linewidth=2,
            label=group,
            ax=ax,
        )
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(xlabel="cosine of the label's pull and the teacher's", ylabel="images below it (%)")
    ax.set(xlim=(-1.02, 1.02))
    ax.legend(loc="upper left")


def epochs_shaded(
    ax: Axes, curves: Mapping[str, Mapping[int, float]], *, warmup: int, guessing: float
) -> None:
    """Top-1 by epoch, read in two ways, with the warm-up shaded and the line of guessing.

    Args:
        ax: where to draw.
        curves: label -> epoch -> top-1 (%) after it; epoch 0 is before training.
        warmup: how many epochs train the feature loss alone.
        guessing: top-1 (%) of a guess.
    """
    ax.axvspan(0, warmup + 0.5, facecolor="#e8e8e8", zorder=0, label="CD alone")
    looks = ((COLOURS["cd"], "-", "v"), (COLOURS["teacher"], "--", "s"))
    for (label, values), (colour, dash, marker) in zip(curves.items(), looks, strict=True):
        style = {"color": colour, "linestyle": dash, "marker": marker, "label": label}
        ax.plot(list(values), list(values.values()), **style)
    ax.axhline(guessing, color="black", linewidth=1, linestyle=":")
    last = max(epoch for values in curves.values() for epoch in values)
    ax.text(last + 0.4, guessing - 1, "guessing", va="top", ha="right")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="epoch", ylabel="top-1 on test images (%)", ylim=(0, 100))
    ax.set_xlim(-0.2, last + 0.5)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 0.12))


def confident_teachers(ax: Axes, factors: Tensor, lines: Mapping[str, Tensor]) -> None:
    """A loss over how confident the teacher is.

    Args:
        ax: where to draw.
        factors: on the teacher's logits, (n,).
        lines: label -> loss at each factor, (n,); the second is dashed.
    """
    looks = ((COLOURS["teacher"], "-", 2.2), (COLOURS["ofd"], "--", 1.8))
    for (label, values), (colour, dash, width) in zip(lines.items(), looks, strict=True):
        ax.plot(factors, values, color=colour, linestyle=dash, linewidth=width, label=label)
    ax.set(xlabel="factor on the teacher's logits", ylabel="guided KD (nats)")
    ax.legend(loc="upper left")
