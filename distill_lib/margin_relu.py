"""Margin ReLU, the teacher transform of OFD.

Paper: A Comprehensive Overhaul of Feature Distillation (Heo et al., ICCV 2019), section 3.2; the
closed form is derived in its appendix A. A batch-norm channel with weight w and bias b puts out
x ~ N(b, w²), so the layer itself knows the mean of its own negative values, E[x | x < 0].
Differs from the authors' code: `tail="exact"` follows the conditional mean where theirs jumps to
-3σ, and a weight of 0 gives the limit min(b, 0) instead of a division by zero.
Proved by the golden keys `margin/`. Explained in notebooks/03_margin_relu.ipynb.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from distill_lib.errors import DistillError
from distill_lib.number_formats import as_float64

Tail = Literal["paper", "exact"]

RARE_NEGATIVE = 0.001
"""P(x < 0) at and below which the authors' code stops using the closed form."""
TAIL_SIGMAS = 3.0
"""What the authors' code uses there instead: -3σ (the paper gives no value)."""
ASYMPTOTE_FROM = 1e4
"""b/|w| beyond which the exact margin is its own asymptote to double precision."""


def margin_from_batch_norm(weight: Tensor, bias: Tensor, tail: Tail = "paper") -> Tensor:
    """E[x | x < 0] of every channel of a batch norm, x ~ N(bias, weight²).

    Args:
        weight: scale γ of the batch norm, (C,); zero and negative values are legal.
        bias: shift β of the batch norm, (C,).
        tail: what to do where negatives are rare. "paper" as the authors' code: -3|γ| where
            P(x < 0) <= 0.001. "exact": the true conditional mean everywhere.
    Returns:
        margin, (C,), never positive, in the dtype and on the device of `weight`.
    Raises:
        DistillError: shapes differ, a value is not finite, or `tail` is unknown.

    OFD, section 3.2 and appendix A. Explained in notebooks/03_margin_relu.ipynb.
    """
    if tail not in ("paper", "exact"):
        raise DistillError(f"tail is {tail!r}; expected 'paper' or 'exact'.")
    if weight.shape != bias.shape or weight.dim() != 1:
        raise DistillError(
            f"batch-norm weight {tuple(weight.shape)} and bias {tuple(bias.shape)}: "
            "expected one value per channel in each, (C,)."
        )
    sigma = weight.detach().abs().to("cpu", torch.float64)
    mean = bias.detach().to("cpu", torch.float64)
    if not (sigma.isfinite().all() and mean.isfinite().all()):
        bad = int((~(sigma.isfinite() & mean.isfinite())).nonzero()[0])
        raise DistillError(
            f"channel {bad} of {len(sigma)} has batch-norm weight {float(weight[bad])} and bias "
            f"{float(bias[bad])}: expected finite numbers. Was the teacher's training diverged?"
        )
    ratio = mean / sigma.clamp_min(torch.finfo(torch.float64).tiny)
    margin = _conditional_mean(sigma, mean, ratio)
    if tail == "paper":
        rare = torch.special.ndtr(-ratio) <= RARE_NEGATIVE
        margin = torch.where(rare, -TAIL_SIGMAS * sigma, margin)
    margin = torch.where(sigma == 0, mean.clamp_max(0), margin)
    return margin.to(weight.device, weight.dtype)


def _conditional_mean(sigma: Tensor, mean: Tensor, ratio: Tensor) -> Tensor:
    """b - σ·φ(z)/Φ(-z) with z = b/σ, without cancellation and without overflow."""
    z = ratio.clamp(-ASYMPTOTE_FROM, ASYMPTOTE_FROM)
    hazard = math.sqrt(2 / math.pi) / torch.special.erfcx(z / math.sqrt(2))  # φ(z)/Φ(-z)
    inside = mean - sigma * hazard
    inverse = 1 / ratio.clamp_min(ASYMPTOTE_FROM)
    far_right = -sigma * inverse * (1 - 2 * inverse**2)  # negatives all but vanish
    margin = torch.where(ratio > ASYMPTOTE_FROM, far_right, inside)
    return torch.where(ratio < -ASYMPTOTE_FROM, mean, margin)  # all is negative: the mean itself


def mean_of_negatives(features: Tensor) -> tuple[Tensor, Tensor]:
    """Sum and count of the negative values of each channel.

    Args:
        features: (N, C, ...).
    Returns:
        sum and count, both (C,) `as_float64`, so that batches can be added up.
    """
    values = as_float64(features.detach()).transpose(0, 1).flatten(1)  # (C, N·H·W)
    negative = values < 0
    return values.where(negative, 0.0).sum(1), negative.sum(1).to(values.dtype)


def margin_relu(x: Tensor, margin: Tensor) -> Tensor:
    """max(x, margin), the margin of a channel broadcast over its batch and positions.

    Args:
        x: pre-ReLU teacher features, (N, C, ...).
        margin: (C,), or any shape that holds C values such as (1, C, 1, 1).
    Returns:
        tensor of the shape and dtype of `x`.
    Raises:
        DistillError: the number of channels differs.

    OFD, section 3.2, eq. (3). Explained in notebooks/03_margin_relu.ipynb.
    """
    if x.dim() < 2 or margin.numel() != x.shape[1]:
        raise DistillError(
            f"features {tuple(x.shape)} have their channels in dimension 1; "
            f"the margin holds {margin.numel()} values, expected one for each channel."
        )
    shape = (1, -1) + (1,) * (x.dim() - 2)
    return torch.maximum(x, margin.to(x.dtype).view(shape))
