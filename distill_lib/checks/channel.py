"""Exercise of notebook 08."""

from collections.abc import Callable

import torch
from torch import Tensor

from distill_lib.checks.verdict import first_wrong, unlike
from distill_lib.losses import channel_loss

SAME_MEANS = 1e-8
"""CD below this share of the mean square counts as 0: rounding of float32, squared."""
APART = 1e-3
"""L2 above this share of the mean square counts as a difference, in every image."""


def check_twin(twin: Callable[[Tensor], Tensor]) -> None:
    """Features that CD cannot tell from the given ones, and L2 can.

    Args:
        twin: the reader's function of features after a ReLU, (N, C, H, W), giving others of the
            same shape, which could have come out of a ReLU too.
    """
    print(first_wrong(_features(), lambda features: twin(features.clone()), _mistake))


def _mistake(features: Tensor, got: object) -> str | None:
    if said := unlike(got, features):
        return said
    if not got.isfinite().all():
        return ": not every value is finite"
    if got.min() < 0:
        return f": got {got.min():.3f}, and nothing below 0 comes out of a ReLU"
    scale = features.square().mean()
    cd = channel_loss([got], [features])
    if cd > SAME_MEANS * scale:
        return f": CD is {cd:.2g}, want 0: a channel's mean has moved"
    l2 = (got - features).square().mean((1, 2, 3))  # (N,)
    if l2.min() < APART * scale:
        return (
            f": L2 is {l2.min():.2g} in image {int(l2.argmin())}, too little to tell them apart; "
            f"want {APART * scale:.2g}, a thousandth of the mean square"
        )
    return None


def _features() -> list[tuple[str, Tensor]]:
    """Names and features after a ReLU, from the easy to the hard."""
    random = torch.Generator().manual_seed(0)
    usual = torch.randn(2, 3, 4, 4, generator=random).relu()
    spot = torch.zeros(1, 2, 4, 4)
    spot[..., 0, 0] = 3.0
    half_dead = usual.clone()
    half_dead[:, 1] = 0.0
    return [
        ("random features (2, 3, 4, 4)", usual),
        ("features that are the same upside down and mirrored", _mirrored(usual)),
        ("one bright spot, in a corner", spot),
        ("the same value at every position", torch.full((2, 3, 4, 4), 0.7)),
        ("a channel that is 0 everywhere", half_dead),
    ]


def _mirrored(features: Tensor) -> Tensor:
    across = features + features.flip(-1)
    return across + across.flip(-2)
