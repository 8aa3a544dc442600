"""Hint loss: the student's middle predicts the teacher's (FitNets; Romero et al., ICLR 2015)."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from distill_lib.losses._shapes import at_least_float32, same_count, same_shape


def hint_loss(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """Mean squared difference of features, summed over taps (FitNets' hint).

    The paper sums the squares of a sample; the mean over everything, as RepDistiller takes it,
    makes the weight independent of the size of the features.

    Args:
        students: connector outputs, tap i (N, C_i, H_i, W_i).
        teachers: teacher features of the same shapes.
    Returns:
        scalar: for each tap the mean over N, C_i, H_i and W_i, then the sum over taps.
    Raises:
        FeatureError: the counts or shapes differ.
    """
    same_count(students, teachers)
    total = 0.0
    for student, teacher in zip(students, teachers, strict=True):
        same_shape(student, teacher)
        total = total + F.mse_loss(at_least_float32(student), at_least_float32(teacher.detach()))
    return total
