"""Losses on logits: KD (Hinton et al., 2015) and guided KD (CD; Zhou et al., 2020).

Differs from the authors' code: guided KD is 0 where theirs is NaN, and a teacher's probability that
underflows counts as 0 where theirs becomes 1. Proved by the golden keys `kd/` and `gkd/`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from distill_lib.errors import DistillError
from distill_lib.losses._shapes import at_least_float32


def kd_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """KL divergence of softened predictions, T² · KL(teacher || student) / N.

    Args:
        student_logits: (N, K).
        teacher_logits: (N, K).
        temperature: T > 0; the factor T² keeps the gradient's size.
    Returns:
        scalar, the mean over the batch.
    Raises:
        DistillError: shapes differ or the temperature is not positive.

    Hinton et al., 2015, section 2. Explained in notebooks/02_soft_targets.ipynb.
    """
    return _divergence(student_logits, teacher_logits, temperature).mean()


def guided_kd_loss(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float
) -> Tensor:
    """KD over the samples that the teacher gets right, divided by their count (GKD, "KDLossv2").

    0, with a gradient of zero, where the teacher is right nowhere; the authors' code gives NaN.

    Args:
        student_logits: (N, K).
        teacher_logits: (N, K).
        labels: class indices, (N,).
        temperature: T > 0.
    Returns:
        scalar.
    Raises:
        DistillError: shapes differ or the temperature is not positive.

    Explained in notebooks/09_guided_and_early_decay.ipynb.
    """
    right = teacher_logits.argmax(1) == labels
    divergence = _divergence(student_logits, teacher_logits, temperature)
    return torch.where(right, divergence, 0.0).sum() / right.sum().clamp_min(1)


def _divergence(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """T² · KL(teacher || student) of every sample, (N,)."""
    if not temperature > 0:
        raise DistillError(f"temperature is {temperature}; expected a positive number, such as 4.")
    if student_logits.shape != teacher_logits.shape or student_logits.dim() != 2:
        raise DistillError(
            f"student logits {tuple(student_logits.shape)} and teacher logits "
            f"{tuple(teacher_logits.shape)}: expected the same (N, K). "
            "Do both networks have the same classes?"
        )
    log_p_s = F.log_softmax(at_least_float32(student_logits) / temperature, dim=1)
    log_p_t = F.log_softmax(at_least_float32(teacher_logits.detach()) / temperature, dim=1)
    pointwise = F.kl_div(log_p_s, log_p_t, reduction="none", log_target=True)
    return pointwise.sum(1) * temperature**2
