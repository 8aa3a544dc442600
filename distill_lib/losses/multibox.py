"""What a single-shot detector predicts, and the loss it is trained by.

SSD: Single Shot MultiBox Detector (Liu et al., ECCV 2016), section 2.2, as torchvision has it.
torchvision is imported where it is used.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import Tensor

from distill_lib.losses._shapes import at_least_float32

BOX_SCALES = (10.0, 10.0, 5.0, 5.0)
"""What offsets of centre and size are multiplied by, as torchvision's SSD decodes them."""
LEAST_OVERLAP = 0.5
"""IoU from which an anchor answers for a box; the box's best anchor does so in any case."""
NEGATIVES_PER_POSITIVE = 3.0
"""Of the background's anchors only so many count, those with the largest loss."""


class Predictions(NamedTuple):
    """A detector's raw answer, A anchors to the image.

    Attributes:
        class_logits: (N, A, K + 1), background first.
        box_offsets: from the anchor to the box, (N, A, 4).
        anchors: x1 y1 x2 y2 in pixels, (A, 4), float32.
        image_size: height and width of the images.
    """

    class_logits: Tensor
    box_offsets: Tensor
    anchors: Tensor
    image_size: tuple[int, int]

    @property
    def num_classes(self) -> int:
        """K, without the background."""
        return self.class_logits.shape[-1] - 1


def multibox_loss(predictions: Predictions, targets: Sequence[dict[str, Tensor]]) -> Tensor:
    """Smooth L1 of matched boxes plus cross entropy, over the number of matched anchors.

    Args:
        predictions: of N images.
        targets: N times boxes (M, 4) and labels (M,) in 1..K; M may be 0.
    Returns:
        scalar, float32 or wider; where no image of the batch has a box it is 0, as are its
        gradients: no anchor of the background counts beside no positive one.
    """
    from torchvision.models.detection._utils import BoxCoder, SSDMatcher
    from torchvision.models.detection.ssd import SSD
    from torchvision.ops import box_iou

    matcher, anchors = SSDMatcher(LEAST_OVERLAP), predictions.anchors
    matches = [
        matcher(box_iou(target["boxes"], anchors))
        if len(target["boxes"])
        else torch.full((len(anchors),), -1, device=anchors.device)
        for target in targets
    ]
    # torchvision's loss is a method of its network; these two are all that it reads of it.
    settings = SimpleNamespace(
        box_coder=BoxCoder(BOX_SCALES), neg_to_pos_ratio=NEGATIVES_PER_POSITIVE
    )
    outputs = {
        "bbox_regression": at_least_float32(predictions.box_offsets),
        "cls_logits": at_least_float32(predictions.class_logits),
    }
    losses = SSD.compute_loss(settings, targets, outputs, [anchors] * len(targets), matches)
    return losses["bbox_regression"] + losses["classification"]
