"""Channel loss: what a channel's mean says (Channel Distillation, Zhou et al., 2020, "CDLoss").

Proved by the golden keys `cd/`.
"""

from collections.abc import Sequence

from torch import Tensor

from distill_lib.losses._shapes import same_count, same_shape, spatial_mean


def channel_loss(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """Mean squared difference of spatial means, summed over taps (CD, "CDLoss").

    Args:
        students: connector outputs, tap i (N, C_i, H, W).
        teachers: post-ReLU teacher features, tap i (N, C_i, H', W').
    Returns:
        scalar: for each tap the mean over N and C_i, then the sum over taps.
    Raises:
        FeatureError: the counts, batches or channels differ.

    Explained in notebooks/08_channel_distillation.ipynb.
    """
    same_count(students, teachers)
    total = 0.0
    for student, teacher in zip(students, teachers, strict=True):
        mean_s, mean_t = spatial_mean(student), spatial_mean(teacher.detach())  # (N, C)
        same_shape(mean_s, mean_t)
        total = total + (mean_s - mean_t).square().mean()
    return total
