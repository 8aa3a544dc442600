"""Cross entropy of every pixel: what a segmentation network is trained by."""

import torch.nn.functional as F
from torch import Tensor

from distill_lib.data.batching import VOID
from distill_lib.losses._shapes import at_least_float32


def pixel_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy, the mean over the pixels that have a class.

    The OFD authors' segmentation code divides this mean by the batch once more, so that their
    feature loss weighs as many times more as there are images.

    Args:
        logits: (N, K, H, W).
        labels: a class for each pixel, (N, H, W); VOID counts nowhere.
    Returns:
        scalar, float32 or wider; 0 with a gradient of zero where every pixel is VOID.
    """
    total = F.cross_entropy(at_least_float32(logits), labels, ignore_index=VOID, reduction="sum")
    return total / (labels != VOID).sum().clamp_min(1)
