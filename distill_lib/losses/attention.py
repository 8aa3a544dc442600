"""Attention transfer: where a network looks (AT; Zagoruyko and Komodakis, ICLR 2017).

Differs from the authors' code: maps of as many positions in another arrangement (4 x 4, 2 x 8) are
refused. Proved by the golden keys `at/`.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from distill_lib.losses._shapes import at_least_float32, same_count, same_shape


def attention_loss(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """Mean squared difference of normalised spatial attention maps, summed over taps (AT).

    Args:
        students: tap i (N, C_s, H, W).
        teachers: tap i (N, C_t, H, W); the channels may differ.
    Returns:
        scalar: for each tap the mean over N and H·W, then the sum over taps.
    Raises:
        FeatureError: the counts, batches, heights or widths differ.
    """
    same_count(students, teachers)
    total = 0.0
    for student, teacher in zip(students, teachers, strict=True):
        map_s, map_t = _attention_map(student), _attention_map(teacher.detach())
        same_shape(map_s, map_t)
        units_s, units_t = (F.normalize(m.flatten(1), dim=1) for m in (map_s, map_t))  # (N, H·W)
        total = total + (units_s - units_t).square().mean()
    return total


def _attention_map(features: Tensor) -> Tensor:
    """Mean over channels of the squares: (N, C, H, W) -> (N, H, W)."""
    return at_least_float32(features).square().mean(1)
