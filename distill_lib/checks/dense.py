"""Exercises of notebooks 12 and 13."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from distill_lib.checks.verdict import first_mistake, first_wrong
from distill_lib.data.batching import VOID


def check_miou(miou: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Mean intersection over union of several images, as `evaluate` counts it, to 1e-6.

    Args:
        miou: the reader's function of logits (N, K, H, W) and labels (N, H, W), VOID where there is
            no class; gives a scalar in 0..1.
    """
    from torchmetrics.functional.classification import multiclass_jaccard_index

    cases = []
    for name, (logits, labels) in _masks():
        want = multiclass_jaccard_index(
            logits.argmax(1), labels, num_classes=logits.shape[1], ignore_index=VOID
        )
        cases.append((name, (logits, labels), want))
    print(first_mistake(miou, cases, relative=1e-6, absolute=1e-6))


def _masks() -> Iterator[tuple[str, tuple[Tensor, Tensor]]]:
    """Names and inputs, from the easy to the hard."""
    random = torch.Generator().manual_seed(0)

    def pair(n: int, k: int, classes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        labels = torch.tensor(classes)[torch.randint(len(classes), (n, 6, 8), generator=random)]
        logits = torch.randn(n, k, 6, 8, generator=random)
        return logits.scatter_add_(1, labels[:, None], torch.full((n, 1, 6, 8), 1.5)), labels

    yield "one image", pair(1, 3, (0, 1, 2))
    logits, labels = pair(2, 3, (0, 1, 2))
    labels[:, :2] = VOID
    yield "two images with void pixels", (logits, labels)
    logits, labels = pair(3, 4, (0, 1, 2, 3))
    labels[1:] = labels[1:].clamp(max=1)
    yield "three images, two of which lack classes", (logits, labels)
    logits, labels = pair(2, 4, (0, 1, 2))
    yield "a class that is predicted and never true", (logits, labels)
    logits = logits.clone()
    logits[:, 3] = -9.0
    yield "a class that is neither true nor predicted", (logits, labels)


def check_anchors(match: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Which anchor answers for which true box, as SSD matches them in training.

    Args:
        match: the reader's function of anchors (A, 4) and true boxes (M, 4), x1 y1 x2 y2; gives for
            each anchor the number of its box, 0..M-1, or -1, (A,).
    """
    print(_first_wrong_anchor(match))


def _first_wrong_anchor(match: Callable[[Tensor, Tensor], Tensor]) -> str:
    from torchvision.models.detection._utils import SSDMatcher
    from torchvision.ops import box_iou

    from distill_lib.losses.multibox import LEAST_OVERLAP

    def mistake(case: tuple[Tensor, Tensor], got: object) -> str | None:
        anchors, truth = case
        overlaps = box_iou(truth, anchors)  # (M, A)
        want = SSDMatcher(LEAST_OVERLAP)(overlaps)
        shape = tuple(got.shape) if isinstance(got, Tensor) else type(got).__name__
        if shape != tuple(want.shape):
            return f": got {shape}, want a tensor {tuple(want.shape)}"
        wrong = (got != want).nonzero().flatten().tolist()
        if not wrong:
            return None
        i = wrong[0]
        own = ", ".join(f"{overlap:.2f}" for overlap in overlaps[:, i])
        return f": anchor {i} (IoU {own}): got {got[i]}, want {want[i]}"

    return first_wrong(
        ((name, (anchors, truth)) for name, anchors, truth in _boxes()),
        lambda case: match(*(boxes.clone() for boxes in case)),
        mistake,
    )


def _boxes() -> Iterator[tuple[str, Tensor, Tensor]]:
    """Names, anchors and true boxes, from the easy to the hard."""
    corners = torch.tensor([[float(x), float(y)] for y in (0, 16, 32) for x in (0, 16, 32)])
    grid = torch.cat([torch.cat((corners, corners + side), 1) for side in (16, 30)])

    def boxes(*sides: tuple[float, ...]) -> Tensor:
        return torch.tensor(sides, dtype=torch.float32)

    yield "one box that an anchor fits", grid, boxes((17, 15, 33, 32))
    yield "two boxes far apart", grid, boxes((1, 0, 17, 14), (33, 33, 60, 61))
    more = torch.cat((grid, boxes((8, 0, 38, 30))))
    yield "a box that two anchors cover by half", more, boxes((0, 0, 30, 30), (33, 34, 47, 47))
    yield "an anchor that covers exactly half", grid, boxes((0, 0, 16, 32))
    two = torch.cat((grid, boxes((0, 0, 16, 11.5), (0, 0, 16, 13.2))))
    yield "an anchor that covers two boxes by half", two, boxes((0, 0, 16, 14), (0, 0, 16, 12))
    yield "a small box that no anchor covers by half", grid, boxes((20, 21, 26, 27))
    yield "an anchor that covers a little less than half", grid, boxes((0, 0, 16, 34.8))
    yield (
        "a box whose best anchor covers another more",
        grid,
        boxes((16, 16, 32, 31), (18, 18, 28, 25)),
    )
