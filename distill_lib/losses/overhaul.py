"""Overhaul loss: partial L2 between the student and the margin-ReLU'd teacher.

A Comprehensive Overhaul of Feature Distillation (Heo et al., ICCV 2019), section 3.2. Differs from
the authors' code: selection replaces multiplication by a mask (inf · 0 is NaN).
Proved by the golden keys `partial_l2/` and `ofd/`.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from distill_lib.errors import FeatureError, unknown_name
from distill_lib.losses._shapes import at_least_float32, same_shape
from distill_lib.margin_relu import margin_relu

Distance = Literal["partial_l2", "l2", "l1"]
"""What is summed of student minus teacher; only partial L2 is OFD."""

CACHED = 2**19
"""Numbers of a feature map that a processor is given at a time, so that they stay in its cache."""


def partial_l2(student: Tensor, teacher: Tensor) -> Tensor:
    """Sum of squared differences, except where the student is already low enough.

    d(s, t) = 0 where s <= t <= 0, else (s - t)².

    Args:
        student: connector output, (N, C_t, H, W).
        teacher: teacher features after margin ReLU, same shape.
    Returns:
        scalar, summed over everything, float32 or wider; it has first derivatives only.
    Raises:
        FeatureError: shapes differ.

    OFD, section 3.2. Explained in notebooks/05_partial_l2.ipynb.
    """
    same_shape(student, teacher)
    return _PartialSquares.apply(student, teacher)


class _PartialSquares(torch.autograd.Function):
    """The sum of `partial_l2` with fewer passes over memory than autograd would make.

    The difference is selected before it is squared: an infinity that does not count leaves no NaN,
    in the gradient neither.
    """

    @staticmethod
    def forward(ctx, student: Tensor, teacher: Tensor) -> Tensor:
        wide = torch.promote_types(torch.promote_types(student.dtype, teacher.dtype), torch.float32)
        difference = torch.empty_like(student, dtype=wide)
        total = torch.zeros((), dtype=wide, device=student.device)
        for d, s, t in zip(*map(_pieces, (difference, student, teacher)), strict=True):
            s, t = s.to(wide), t.to(wide)
            torch.sub(s, t, out=d).masked_fill_((s <= t) & (t <= 0), 0.0)
            total += d.square().sum()
        ctx.save_for_backward(difference)
        ctx.dtype = student.dtype
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        (difference,) = ctx.saved_tensors
        to_student = torch.empty_like(difference, dtype=ctx.dtype)
        for g, d in zip(_pieces(to_student), _pieces(difference), strict=True):
            g.copy_(d * (2 * gradient))
        return to_student, -to_student if ctx.needs_input_grad[1] else None


def _pieces(features: Tensor) -> tuple[Tensor, ...]:
    """The batch in parts that fit a processor's cache; whole on any other device."""
    if features.device.type != "cpu" or features.dim() == 0:
        return (features,)
    samples = max(1, CACHED // max(1, features[:1].numel()))
    return features.split(samples)


def feature_distance(student: Tensor, teacher: Tensor, distance: Distance) -> Tensor:
    """Partial L2, or what it replaces: the sum of all squared or absolute differences.

    Args:
        student, teacher: as in `partial_l2`.
        distance: which.
    Returns:
        scalar, summed over everything, float32 or wider.
    Raises:
        FeatureError: shapes differ.
        DistillError: the distance is unknown.
    """
    if distance == "partial_l2":
        return partial_l2(student, teacher)
    if distance not in get_args(Distance):
        raise unknown_name("distance", distance, get_args(Distance))
    same_shape(student, teacher)
    loss = F.mse_loss if distance == "l2" else F.l1_loss
    return loss(at_least_float32(student), at_least_float32(teacher), reduction="sum")


def overhaul_loss(
    students: Sequence[Tensor],
    teachers: Sequence[Tensor],
    margins: Sequence[Tensor],
    divisors: Sequence[float] | None = None,
    distance: Distance = "partial_l2",
) -> Tensor:
    """Partial L2 between student features and margin-ReLU'd teacher features, over all taps.

    max(x, margin) is every teacher transform of the paper's design table: a margin of 0 is the
    ReLU, a margin below all features is none.

    Args:
        students: connector outputs, tap i (N, C_i, H_i, W_i).
        teachers: pre-ReLU teacher features of the same shapes.
        margins: one (C_i,) for each tap.
        divisors: what each tap's loss is divided by; 2^(n-1-i) for tap i of n if not given
            (8, 4, 2, 1 for four taps, as their sizes halve: all count alike. OFD authors' code).
        distance: as in `feature_distance`.
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
        target = margin_relu(teacher.detach(), margin)
        total = total + feature_distance(student, target, distance) / divisor
    return total


def default_divisors(taps: int) -> tuple[float, ...]:
    """2^(n-1-i) for tap i of n (OFD authors' code; the paper gives no value)."""
    return tuple(float(2 ** (taps - 1 - i)) for i in range(taps))
