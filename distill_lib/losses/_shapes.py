"""What the losses ask of their tensors: float32 or wider, equal shapes, one of each."""

from collections.abc import Sequence

import torch
from torch import Tensor

from distill_lib.errors import FeatureError


def at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def spatial_mean(features: Tensor) -> Tensor:
    """(N, C, ...) -> (N, C), in float32 or wider."""
    features = at_least_float32(features)
    return features if features.dim() == 2 else features.flatten(2).mean(2)


def same_shape(student: Tensor, teacher: Tensor) -> None:
    # Broadcasting would hide a teacher of one channel or one position.
    if student.shape != teacher.shape:
        raise FeatureError(
            f"student features {tuple(student.shape)} and teacher features "
            f"{tuple(teacher.shape)} differ: expected equal shapes."
        )


def same_count(students: Sequence[Tensor], teachers: Sequence[Tensor]) -> None:
    if len(students) != len(teachers) or not students:
        raise FeatureError(
            f"{len(students)} student features and {len(teachers)} teacher features: "
            "expected one of each for every tap."
        )
