"""Losses on logits: KD (Hinton et al., 2015), guided KD (CD; Zhou et al., 2020), decoupled KD (Zhao
et al., CVPR 2022).

Differs from the authors' code: guided KD is 0 where theirs is NaN, and a teacher's probability that
underflows counts as 0 where theirs becomes 1; decoupled KD stays in log space, where theirs takes
the logarithm of a student's probability that may have underflowed to 0. Proved by the golden keys
`kd/` and `gkd/`.
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
    _check_labels(labels, teacher_logits)
    right = teacher_logits.argmax(1) == labels
    divergence = _divergence(student_logits, teacher_logits, temperature)
    return torch.where(right, divergence, 0.0).sum() / right.sum().clamp_min(1)


def dkd_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    alpha: float,
    beta: float,
    temperature: float,
) -> Tensor:
    """KD in two parts with a weight each: target class against the rest, and within the rest (DKD).

    T² · (alpha · KL of [p(label), 1 - p(label)] + beta · KL among the other classes) / N. KD itself
    has alpha = 1 and beta = 1 - p_teacher(label): a confident teacher mutes its second part.

    Args:
        student_logits: (N, K).
        teacher_logits: (N, K).
        labels: class indices, (N,).
        alpha: weight of the target class ("TCKD").
        beta: weight of the other classes ("NCKD").
        temperature: T > 0.
    Returns:
        scalar, the mean over the batch; finite for a saturated student too.
    Raises:
        DistillError: shapes differ, the temperature is not positive, or there is one class only.

    Explained in notebooks/02_soft_targets.ipynb.
    """
    _check_logits(student_logits, teacher_logits, temperature)
    _check_labels(labels, teacher_logits)
    labels = labels.long()
    classes = student_logits.shape[1]
    if classes < 2:
        raise DistillError(f"logits {tuple(student_logits.shape)}: expected two classes or more.")
    is_target = labels[:, None] == torch.arange(classes, device=labels.device)  # (N, K)

    def split(logits: Tensor) -> tuple[Tensor, Tensor]:
        softened = at_least_float32(logits) / temperature
        log_p = softened.log_softmax(1)
        log_target = log_p.gather(1, labels[:, None])
        log_rest = log_p.masked_fill(is_target, -torch.inf).logsumexp(1, keepdim=True)
        others = softened.masked_fill(is_target, -torch.inf).log_softmax(1)
        # Where both have log 1 = 0 the divergence is 0: the target is not among the others.
        return torch.cat([log_target, log_rest], 1), others.masked_fill(is_target, 0.0)

    (target_s, others_s), (target_t, others_t) = (
        split(student_logits),
        split(teacher_logits.detach()),
    )
    divergence = alpha * _divergence_of(target_s, target_t) + beta * _divergence_of(
        others_s, others_t
    )
    return divergence.mean() * temperature**2


def _divergence(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """T² · KL(teacher || student) of every sample, (N,)."""
    _check_logits(student_logits, teacher_logits, temperature)
    log_p_s = F.log_softmax(at_least_float32(student_logits) / temperature, dim=1)
    log_p_t = F.log_softmax(at_least_float32(teacher_logits.detach()) / temperature, dim=1)
    return _divergence_of(log_p_s, log_p_t) * temperature**2


def _divergence_of(log_p_s: Tensor, log_p_t: Tensor) -> Tensor:
    """KL(teacher || student) of distributions given by their logarithms, (N, K) -> (N,).

    A class that the teacher excludes, log 0, adds 0, as it does in the limit.
    """
    p_t = log_p_t.exp()
    return torch.where(p_t == 0, 0.0, p_t * (log_p_t - log_p_s)).sum(1)


def _check_logits(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> None:
    if not temperature > 0:
        raise DistillError(f"temperature is {temperature}; expected a positive number, such as 4.")
    if student_logits.shape != teacher_logits.shape or student_logits.dim() != 2:
        raise DistillError(
            f"student logits {tuple(student_logits.shape)} and teacher logits "
            f"{tuple(teacher_logits.shape)}: expected the same (N, K). "
            "Do both networks have the same classes?"
        )


def _check_labels(labels: Tensor, logits: Tensor) -> None:
    # Broadcasting would hide labels of another shape.
    if labels.shape != logits.shape[:1] or labels.is_floating_point():
        raise DistillError(
            f"{labels.dtype} labels {tuple(labels.shape)} for logits {tuple(logits.shape)}: "
            "expected class indices, one for each sample, (N,)."
        )
