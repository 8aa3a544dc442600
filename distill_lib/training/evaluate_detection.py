"""Average precision of boxes at IoU 0.5."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from distill_lib.errors import DistillError
from distill_lib.losses import Predictions, multibox_loss
from distill_lib.training import distributed


class AveragePrecision:
    """mAP@0.5 of a network that has `detect`.

    Precision is interpolated at 101 recalls, as COCO does it, and averaged over classes; Pascal VOC
    2007 takes 11 recalls, so that its papers' numbers are not quite comparable.

    Raises:
        DistillError: the network has no `detect`, or faster-coco-eval is missing.
    """

    batch_size = 32

    def __init__(self, model: nn.Module, classes: Sequence[str], device: torch.device):
        from torchmetrics.detection import MeanAveragePrecision

        if not hasattr(model, "detect"):
            raise DistillError(
                f"{type(model).__name__} has no detect(predictions); expected a method that gives "
                "of each image the boxes, scores and labels that it finds."
            )
        try:
            self._precision = MeanAveragePrecision(
                iou_thresholds=[0.5], backend="faster_coco_eval", sync_on_compute=False
            )
        except ImportError as error:
            raise DistillError(
                "mAP needs faster-coco-eval, which is not installed.\n"
                '  Install it: pip install -e ".[detection]"'
            ) from error
        self._detect = model.detect
        self._seen: list[tuple[list[dict], list[dict]]] = []

    def update(self, outputs: Predictions, labels: list[dict[str, Tensor]]) -> tuple[Tensor, int]:
        """Keep what is found in a batch; gives the sum of its images' losses, and how many."""
        self._seen.append((_on_cpu(self._detect(outputs)), _on_cpu(labels)))
        # Image by image: over a batch it would depend on which images are in it.
        losses = [
            multibox_loss(
                outputs._replace(
                    class_logits=outputs.class_logits[i : i + 1],
                    box_offsets=outputs.box_offsets[i : i + 1],
                ),
                labels[i : i + 1],
            )
            for i in range(len(labels))
        ]
        return torch.stack(losses).sum(), len(labels)

    def compute(self) -> dict[str, float]:
        """map50 in per cent; 0 where there is nothing to find."""
        # Gathered here: torchmetrics' own way waits for ever where processes differ in images.
        for part in distributed.gather(self._seen):
            for found, truth in part:
                self._precision.update(found, truth)
        precision = self._precision.compute()["map"].item()
        return {"map50": round(100 * max(precision, 0.0), 4)}  # -1 where no image has an object


def _on_cpu(boxes: Sequence[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    return [{name: each[name].cpu() for name in each} for each in boxes]
