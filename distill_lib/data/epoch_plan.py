"""Everything random in an epoch, drawn before it starts.

Order, crops and flips are a function of (seed, epoch) alone and are looked up by sample. A resumed
run, another number of processes or a start in the middle of an epoch then sees the same samples
with the same crops, and no state of a sampler has to be saved.
"""

import hashlib
from typing import NamedTuple

import torch
from torch import Tensor


class EpochPlan(NamedTuple):
    """The draws of one epoch over N samples.

    Attributes:
        order: sample indices in the order of training, (N,) int64.
        offsets: top and left edge of the crop of *sample i* at row i, (N, 2) int64.
        flips: whether sample i is mirrored, (N,) bool.
    """

    order: Tensor
    offsets: Tensor
    flips: Tensor


def draw_epoch(num_samples: int, *, seed: int, epoch: int, padding: int, flip: bool) -> EpochPlan:
    """Draw one epoch from a generator of its own; the global random state is not touched."""
    generator = epoch_generator(seed, epoch)
    order = torch.randperm(num_samples, generator=generator)
    offsets = torch.randint(0, 2 * padding + 1, (num_samples, 2), generator=generator)
    flips = torch.rand(num_samples, generator=generator) < (0.5 if flip else 0.0)
    return EpochPlan(order, offsets, flips)


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """What everything random in an epoch is drawn from."""
    # Hashed, so that neighbouring seeds and epochs share nothing (seed 1, epoch 2 is not
    # seed 2, epoch 1).
    digest = hashlib.sha256(f"seed {seed}, epoch {epoch}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
