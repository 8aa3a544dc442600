"""Exercise of notebook 14."""

from collections.abc import Callable

import torch
from torch import Tensor

from distill_lib.checks.verdict import first_wrong, unlike
from distill_lib.similarity import linear_cka

ALIKE = 0.999
RECOGNISED = 0.5
"""Below this mean correlation, signs dropped, with the channels in their place: disguised."""


def check_disguise(disguise: Callable[[Tensor], Tensor]) -> None:
    """Features that CKA takes for the same, though no channel is like the one in its place.

    Args:
        disguise: the reader's function of features (N, C); gives others of the same shape.
    """
    print(first_wrong(_features().items(), lambda features: disguise(features.clone()), _mistake))


def _mistake(features: Tensor, got: object) -> str | None:
    if said := unlike(got, features):
        return said
    if not got.isfinite().all():
        return ": not all values are finite"
    cka = linear_cka(features, got).item()
    if not cka >= ALIKE:  # a NaN, of constant features, is no success either
        return f": CKA is {cka:.4f}, want at least {ALIKE}"
    both = (features.T, got.double().T)
    centred = [x - x.mean(1, keepdim=True) for x in both]  # (C, N)
    same = torch.cosine_similarity(*centred).abs().mean().item()
    if same >= RECOGNISED:
        return f": channels correlate by {same:.2f} with those in their place, want {RECOGNISED}"
    return None


def _features() -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)
    white = torch.randn(256, 32, generator=random, dtype=torch.float64)
    white = white / white.std(0)
    wide = white * torch.linspace(0.5, 2, 32, dtype=torch.float64)
    return {
        "channels of equal width": white,
        "channels of different widths": wide,
        "features after a ReLU": (wide + 0.3).relu(),
    }
