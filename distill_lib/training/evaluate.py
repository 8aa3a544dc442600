"""How good a network is on the test images of a data set, by the metrics of the set's task."""

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill_lib.data import ImageData
from distill_lib.modes import evaluation_mode
from distill_lib.training import distributed
from distill_lib.training.evaluate_detection import AveragePrecision
from distill_lib.training.evaluate_segmentation import MeanIoU
from distill_lib.training.precision import Precision, choose_precision


class Meter(Protocol):
    """What a task's metrics are counted by.

    Attributes:
        batch_size: test images of one forward, unless others are asked for.
    """

    batch_size: int

    def update(self, outputs: Tensor | tuple, labels: Tensor | list) -> tuple[Tensor, int]:
        """Count a batch; gives the sum of its loss, and over how many that is the sum."""

    def compute(self) -> dict[str, float | list[float]]:
        """The metrics in per cent, over all processes."""


class Accuracy:
    """Top-1 and top-5 of logits (N, K) with labels (N,)."""

    batch_size = 500

    def __init__(self, model: nn.Module, classes: Sequence[str], device: torch.device):
        from torchmetrics.classification import MulticlassAccuracy

        # "micro" is the papers' accuracy; torchmetrics would average over classes by default.
        count = len(classes)
        self._top = {
            f"top{k}": MulticlassAccuracy(
                count, top_k=min(k, count), average="micro", validate_args=False
            ).to(device)
            for k in (1, 5)
        }

    def update(self, outputs: Tensor, labels: Tensor) -> tuple[Tensor, int]:
        logits = outputs.float()
        for metric in self._top.values():
            metric.update(logits, labels)
        return F.cross_entropy(logits, labels, reduction="sum"), len(labels)

    def compute(self) -> dict[str, float]:
        return {name: round(100 * top.compute().item(), 4) for name, top in self._top.items()}


METERS = {
    "classification": Accuracy,
    "segmentation": MeanIoU,
    "detection": AveragePrecision,
}
"""Task -> what counts its metrics."""


def meter_of(model: nn.Module, data: ImageData) -> Meter:
    """What counts the metrics of a network on a data set, empty.

    Raises:
        DistillError: a package that counts the metric is missing.
    """
    return METERS[data.task](model, data.classes, next(model.parameters()).device)


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    data: ImageData,
    *,
    precision: Precision | None = None,
    batch_size: int | None = None,
) -> dict[str, float | list[float]]:
    """The metrics of the data set's task, and the mean loss, on the test images.

    With several processes each takes its share, and all get the same result.

    Args:
        model: a network for the task; each part left in the mode it was in.
        data: on the device of the model.
        precision: the number format; the device's own choice if not given.
        batch_size: images of one forward; the meter's own if not given.
    Returns:
        the metrics of `TASKS[data.task]` in per cent, loss, images; the loss is a mean over images,
        of segmentation over the pixels that have a class.
    Raises:
        DistillError: a package that counts the metric is missing.
    """
    device = next(model.parameters()).device
    precision = precision or choose_precision(device)
    meter = meter_of(model, data)
    totals = torch.zeros(3, dtype=torch.float64)
    with evaluation_mode(model):
        for batch in data.test_batches(
            batch_size=batch_size or meter.batch_size,
            rank=distributed.rank(),
            world_size=distributed.world_size(),
        ):
            with precision.autocast():
                outputs = model(batch.images)
            loss, count = meter.update(outputs, batch.labels)
            totals += torch.tensor([float(loss), count, len(batch.labels)], dtype=torch.float64)
    loss, count, images = distributed.sum_over_ranks(totals, device).tolist()
    return meter.compute() | {"loss": loss / max(count, 1), "images": int(images)}
