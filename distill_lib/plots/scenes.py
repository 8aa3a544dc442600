"""The figures of segmentation and detection: pictures with masks or boxes, taps, rates, precision.

Explained in notebooks/12_segmentation.ipynb and notebooks/13_detection.ipynb.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from distill_lib.data.batching import VOID
from distill_lib.plots.style import COLOURS, bare, name_rows

CLASS_COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"),
    *("#332288", "#117733", "#882255", "#999933", "#661100"),
)
"""Okabe and Ito's, then Tol's; further classes begin again, and names stand beside the colours."""
LEGEND_COLUMNS = 6
GROUND_COLOUR = "#D9D9D9"
LEAST_NAMED = 30
"""Pixels from which a region bears its class's name."""
LEAST_SCORE = 0.3
"""Score from which a box bears its class's name; thin outlines below."""


def class_colour(k: int) -> str:
    """The colour of the class k of 0, 1, …"""
    return CLASS_COLOURS[k % len(CLASS_COLOURS)]


def picture(image: Tensor, augment) -> np.ndarray:
    """A normalised image (3, H, W) as pixels (H, W, 3), uint8.

    Args:
        image: as a batch has it.
        augment: the data set's, for its mean and std.
    """
    pixels = image.permute(1, 2, 0).float().cpu()
    pixels = pixels * torch.tensor(augment.std) + torch.tensor(augment.mean)
    return pixels.round().clamp(0, 255).byte().numpy()


def show_picture(ax: Axes, pixels: np.ndarray) -> None:
    """Pixels (H, W, 3) without ticks or frame."""
    ax.imshow(pixels)
    bare(ax)


def show_mask(ax: Axes, mask: Tensor, classes: Sequence[str], *, ground: str | None = None) -> None:
    """A class for each pixel: colours, and on each class the beginning of its name.

    Args:
        ax: where to draw.
        mask: indices of classes, (H, W); VOID is hatched.
        classes: names of the K classes.
        ground: the class that is grey and bears no name, if there is one.
    """
    mask = mask.cpu()
    colours = [GROUND_COLOUR if c == ground else class_colour(k) for k, c in enumerate(classes)]
    if (mask == VOID).any():
        ax.patch.set(facecolor="white", edgecolor="#888888", hatch="////")
    shown = np.ma.masked_equal(mask.numpy(), VOID)
    palette = ListedColormap(colours)
    ax.imshow(shown, cmap=palette, vmin=0, vmax=len(classes) - 1, interpolation="nearest")
    for k, name in enumerate(classes):
        own = mask == k
        if name != ground and own.sum() >= LEAST_NAMED:
            row, column = _innermost(own)
            _label(ax, column, row, name[:3], ha="center", va="center")
    bare(ax)


def _innermost(own: Tensor) -> list[int]:
    """Row and column of a pixel that is furthest from where `own`, (H, W), is False."""
    inside = F.pad(own.float(), (1, 1, 1, 1))[None]
    while (eroded := -F.max_pool2d(-inside, 3, stride=1, padding=1)).any():
        inside = eroded
    places = inside[0].nonzero() - 1
    return places[len(places) // 2].tolist()


def show_boxes(ax: Axes, found: Mapping[str, Tensor], classes: Sequence[str]) -> None:
    """Boxes on a picture, each with its class and, if it has one, its score in per cent.

    A label stands above its box, or below it where another one has that place.

    Args:
        ax: where to draw.
        found: boxes (M, 4), x1 y1 x2 y2 in pixels, labels (M,) in 1..K and perhaps scores (M,).
        classes: names of the K classes.
    """
    scores = found["scores"].tolist() if "scores" in found else [None] * len(found["boxes"])
    boxes, labels = found["boxes"].tolist(), found["labels"].tolist()
    taken: list[tuple[float, float]] = []
    for (x1, y1, x2, y2), label, score in zip(boxes, labels, scores, strict=True):
        colour = class_colour(label - 1)
        faint = score is not None and score < LEAST_SCORE
        outline = {"edgecolor": colour, "facecolor": "none", "linewidth": 1.2 if faint else 2}
        ax.add_patch(Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, **outline))
        if faint:
            continue
        said = classes[label - 1][:3] + ("" if score is None else f" {100 * score:.0f}")
        width, height = ax.dataLim.size  # of the picture
        at, va = (x1, max(y1 - 1, 5)), "bottom"
        if any(abs(at[0] - x) < width / 4 and abs(at[1] - y) < height / 12 for x, y in taken):
            at, va = (x1, y2), "top"
        taken.append(at)
        _label(ax, *at, said, ha="left", va=va)


def prediction_grid(
    axes: np.ndarray, pictures: Sequence[np.ndarray], columns: Mapping[str, Sequence], draw
) -> None:
    """A row for each picture: the picture, then one panel for each column.

    Args:
        axes: (n, 1 + columns).
        pictures: pixels (H, W, 3) of n images.
        columns: title -> n masks, or n dictionaries of boxes.
        draw: function of (ax, pixels, mask or boxes).
    """
    for row, pixels, *said in zip(axes, pictures, *columns.values(), strict=True):
        show_picture(row[0], pixels)
        for ax, one in zip(row[1:], said, strict=True):
            draw(ax, pixels, one)
    for ax, title in zip(axes[0], ("image", *columns), strict=True):
        ax.set_title(title)


def class_legend(figure, classes: Sequence[str], *, ground: str | None = None) -> None:
    """What the colours of `show_mask` mean, below the panels."""
    patches = [
        Patch(color=GROUND_COLOUR if name == ground else class_colour(k), label=name)
        for k, name in enumerate(classes)
    ]
    columns = min(len(classes), LEGEND_COLUMNS)
    figure.legend(handles=patches, loc="outside lower center", ncols=columns)


def tap_maps(axes: Sequence[Axes], maps: Mapping[str, Tensor]) -> None:
    """How strongly each tap answers, place by place: the mean of |feature| over channels.

    Args:
        axes: one for each tap.
        maps: title -> features of one image, (C, H, W).
    """
    for ax, (title, features) in zip(axes, maps.items(), strict=True):
        ax.imshow(features.abs().mean(0).cpu().numpy(), cmap="viridis")
        ax.set_title(title, fontsize=9)
        ax.set_xlabel("x".join(map(str, features.shape)), fontsize=8)
        bare(ax)


def addends(ax: Axes, counts: Mapping[str, int], divisors: Sequence[float]) -> None:
    """Terms of the sum that each tap brings, hollow, and what its divisor leaves, filled.

    Args:
        ax: where to draw; its x axis becomes logarithmic.
        counts: tap -> channels times positions.
        divisors: one for each tap.
    """
    for y, (count, divisor) in enumerate(zip(counts.values(), divisors, strict=True)):
        left, whole = count / divisor / 1e6, count / 1e6
        names = ("as it is", "after the divisor") if y == 0 else (None, None)
        ax.plot([left, whole], [y, y], color="#999999", linewidth=1.5, zorder=1)
        hollow = {"mfc": "white", "mec": COLOURS["teacher"], "ms": 9, "ls": "none"}
        ax.plot(whole, y, "o", label=names[0], **hollow)
        ax.plot(left, y, "D", color=COLOURS["ofd"], ms=7, ls="none", label=names[1])
        place = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center", "fontsize": 9}
        ax.annotate(f"÷ {divisor:g}", ((left * whole) ** 0.5, y), **place)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:g}")
    name_rows(ax, list(counts))
    ax.set_ylim(top=-0.7)
    ax.set_xlabel("addends of the loss for one image (millions, log scale)")


def rates_by_group(
    ax: Axes, rates: Mapping[str, Sequence[float]], *, steps: int, held: int
) -> None:
    """The learning rate of each group of parameters, on a log scale; held epochs are shaded.

    Args:
        ax: where to draw.
        rates: group -> rate at each step of the run; 0 where it is held still, and not drawn.
        steps: of one epoch.
        held: epochs at the start that train the connectors alone.
    """
    looks = ((COLOURS["ofd"], "-", 4), (COLOURS["teacher"], "--", 2), (COLOURS["plain"], "-.", 2))
    for (name, values), (colour, dash, width) in zip(rates.items(), looks, strict=True):
        epochs = np.arange(len(values)) / steps
        drawn = [value or np.nan for value in values]
        ax.plot(epochs, drawn, color=colour, linestyle=dash, linewidth=width, label=name)
    ax.axvspan(0, held, facecolor="#e8e8e8", zorder=0)
    ax.set_yscale("log")
    ax.set(xlabel="epochs done", ylabel="learning rate (log scale)", xlim=(0, len(values) / steps))
    ax.legend()


def anchors_at(ax: Axes, anchors: Tensor, *, truth: Tensor, hits: Tensor) -> None:
    """Anchors on a picture: those that answer for a true box solid, the others dotted.

    Args:
        ax: with the picture.
        anchors: (A, 4), x1 y1 x2 y2 in pixels.
        truth: the true boxes, (M, 4).
        hits: which anchors answer for one, (A,) bool.
    """
    kinds = [(box, COLOURS["kd"], "-", 1.8) for box in anchors[hits]]
    kinds += [(box, "black", ":", 1.8) for box in anchors[~hits]]
    kinds += [(box, COLOURS["teacher"], "--", 2.4) for box in truth]
    for (x1, y1, x2, y2), colour, dash, width in kinds:
        edge = {"edgecolor": colour, "linestyle": dash, "linewidth": width, "facecolor": "none"}
        shape = Rectangle(
            (float(x1) - 0.5, float(y1) - 0.5), float(x2 - x1), float(y2 - y1), **edge
        )
        ax.add_patch(shape)


def precision_recall(
    ax: Axes, recall: Sequence[float], precision: Sequence[float], *, at: Tensor, envelope: Tensor
) -> None:
    """Precision against recall, a step for each detection, and what average precision takes.

    Args:
        ax: where to draw.
        recall, precision: after the first, the second, … detection, by falling score.
        at: recalls at which precision is read, (R,).
        envelope: the precision taken there, (R,).
    """
    ax.plot(recall, precision, "o-", color=COLOURS["teacher"], label="after each detection")
    ax.plot(at, envelope, ".", color=COLOURS["ofd"], ms=4, label="taken at 101 recalls")
    ax.fill_between(at, envelope, step="post", color=COLOURS["ofd"], alpha=0.12)
    ax.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(0, 1.08))
    ax.legend(loc="lower left")


def _label(ax: Axes, x: float, y: float, text: str, **place) -> None:
    said = ax.text(x, y, text, color="white", fontsize=7, fontweight="bold", **place)
    said.set_path_effects([patheffects.withStroke(linewidth=1.8, foreground="black")])
