"""Mean intersection over union, of all pixels that have a class."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill_lib.data.batching import VOID


class MeanIoU:
    """mIoU, and the IoU of each class, of logits (N, K, H, W) with labels (N, H, W).

    Pixels of all images are counted together, as VOC and CamVid do; a class that neither stands in
    the labels nor was ever predicted is left out of the mean.
    """

    batch_size = 16

    def __init__(self, model: nn.Module, classes: Sequence[str], device: torch.device):
        from torchmetrics import MetricCollection
        from torchmetrics.classification import MulticlassJaccardIndex

        # The two share one confusion matrix, which is summed over processes.
        self._iou = MetricCollection(
            {
                average: MulticlassJaccardIndex(len(classes), average=average, ignore_index=VOID)
                for average in ("macro", "none")
            }
        ).to(device)

    def update(self, outputs: Tensor, labels: Tensor) -> tuple[Tensor, int]:
        """Count a batch; gives the sum of the cross entropy, and over how many pixels."""
        logits = outputs.float()
        self._iou.update(logits.argmax(1), labels)
        loss = F.cross_entropy(logits, labels, ignore_index=VOID, reduction="sum")
        return loss, int((labels != VOID).sum())

    def compute(self) -> dict[str, float | list[float]]:
        """miou, and iou of each class in the classes' order, in per cent; 0 of void alone."""
        found = self._iou.compute()
        return {
            "miou": round(100 * found["macro"].nan_to_num().item(), 4),
            "iou": [round(100 * iou, 4) for iou in found["none"].tolist()],
        }
