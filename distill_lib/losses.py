"""Every loss of the two papers and their baselines, as a pure function of tensors.

OFD: A Comprehensive Overhaul of Feature Distillation (Heo et al., ICCV 2019). CD: Channel
Distillation (Zhou et al., 2020). KD: Hinton et al., 2015. AT: Zagoruyko and Komodakis, ICLR 2017.
Half-precision inputs are accumulated in float32. What differs from the authors' code: selection
replaces multiplication by a mask (inf · 0 is NaN), and guided KD is 0 where theirs is NaN.
Proved by the golden keys `partial_l2/`, `ofd/`, `cd/`, `kd/`, `gkd/`, `at/`.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from distill_lib.errors import DistillError, FeatureError
from distill_lib.margin_relu import margin_relu


def partial_l2(student: Tensor, teacher: Tensor) -> Tensor:
    """Sum of squared differences, except where the student is already low enough.

    d(s, t) = 0 where s <= t <= 0, else (s - t)².

    Args:
        student: connector output, (N, C_t, H, W).
        teacher: teacher features after margin ReLU, same shape.
    Returns:
        scalar, summed over everything, float32 or wider.
    Raises:
        FeatureError: shapes differ.

    OFD, section 3.3. Explained in notebooks/05_partial_l2.ipynb.
    """
    _same_shape(student, teacher)
    return _PartialSquares.apply(student, teacher)


class _PartialSquares(torch.autograd.Function):
    """The sum of `partial_l2` in half the passes over memory that autograd would make.

    The difference is selected before it is squared: an infinity that does not count leaves no NaN,
    in the gradient neither.
    """

    @staticmethod
    def forward(ctx, student: Tensor, teacher: Tensor) -> Tensor:
        skipped = (student <= teacher) & (teacher <= 0)
        difference = (_at_least_float32(student) - teacher).masked_fill_(skipped, 0.0)
        ctx.save_for_backward(difference)
        return difference.square().sum()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        (difference,) = ctx.saved_tensors
        to_student = difference * (2 * gradient)
        return to_student, -to_student if ctx.needs_input_grad[1] else None


def overhaul_loss(
    students: Sequence[Tensor],
    teachers: Sequence[Tensor],
    margins: Sequence[Tensor],
    divisors: Sequence[float] | None = None,
) -> Tensor:
    """Partial L2 between student features and margin-ReLU'd teacher features, over all taps.

    Args:
        students: connector outputs, tap i (N, C_i, H_i, W_i).
        teachers: pre-ReLU teacher features of the same shapes.
        margins: one (C_i,) for each tap.
        divisors: what each tap's loss is divided by; 2^(n-1-i) for tap i of n if not given
            (8, 4, 2, 1 for four taps: deeper features count more. OFD authors' code).
    Returns:
        scalar, summed over everything; the authors divide it by N and by 1000 or 10000 outside.
    Raises:
        FeatureError: the counts or shapes differ.
    """
    divisors = default_divisors(len(students)) if divisors is None else divisors
    counts = {
        "students": len(students),
        "teachers": len(teachers),
        "margins": len(margins),
        "divisors": len(divisors),
    }
    if len(set(counts.values())) != 1 or not students:
        raise FeatureError(f"expected one of each for every tap, got {counts}.")
    total = 0.0
    for student, teacher, margin, divisor in zip(
        students, teachers, margins, divisors, strict=True
    ):
        total = total + partial_l2(student, margin_relu(teacher.detach(), margin)) / divisor
    return total


def default_divisors(taps: int) -> tuple[float, ...]:
    """2^(n-1-i) for tap i of n (OFD authors' code; the paper gives no value)."""
    return tuple(float(2 ** (taps - 1 - i)) for i in range(taps))


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
    _same_count(students, teachers)
    total = 0.0
    for student, teacher in zip(students, teachers, strict=True):
        attention_s = _at_least_float32(student).flatten(2).mean(2)  # (N, C)
        attention_t = _at_least_float32(teacher.detach()).flatten(2).mean(2)
        _same_shape(attention_s, attention_t)
        total = total + (attention_s - attention_t).square().mean()
    return total


def attention_loss(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> Tensor:
    """Mean squared difference of normalised spatial attention maps, summed over taps (AT).

    Args:
        students: tap i (N, C_s, H, W).
        teachers: tap i (N, C_t, H, W); the channels may differ.
    Returns:
        scalar: for each tap the mean over N and H·W, then the sum over taps.
    Raises:
        FeatureError: the counts, batches or positions differ.
    """
    _same_count(students, teachers)
    total = 0.0
    for student, teacher in zip(students, teachers, strict=True):
        map_s, map_t = _attention_map(student), _attention_map(teacher.detach())
        _same_shape(map_s, map_t)
        total = total + (map_s - map_t).square().mean()
    return total


def _attention_map(features: Tensor) -> Tensor:
    """Mean over channels of the squares, as a unit vector: (N, C, H, W) -> (N, H·W)."""
    return F.normalize(_at_least_float32(features).square().mean(1).flatten(1), dim=1)


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
    log_p_s = F.log_softmax(_at_least_float32(student_logits) / temperature, dim=1)
    log_p_t = F.log_softmax(_at_least_float32(teacher_logits.detach()) / temperature, dim=1)
    pointwise = F.kl_div(log_p_s, log_p_t, reduction="none", log_target=True)
    return pointwise.sum(1) * temperature**2


def _at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _same_shape(student: Tensor, teacher: Tensor) -> None:
    # Broadcasting would hide a teacher of one channel or one position.
    if student.shape != teacher.shape:
        raise FeatureError(
            f"student features {tuple(student.shape)} and teacher features "
            f"{tuple(teacher.shape)} differ: expected equal shapes."
        )


def _same_count(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> None:
    if len(students) != len(teachers) or not students:
        raise FeatureError(
            f"{len(students)} student features and {len(teachers)} teacher features: "
            "expected one of each for every tap."
        )
