"""What changes over time: learning rates by step, loss weights by epoch.

Early decay teacher (EDT): Channel Distillation (Zhou et al., 2020), section 3.3; the authors' code
calls the schedules lrdv1 and lrdv2. Proved by the golden keys `schedule/`. Explained in
notebooks/09_guided_and_early_decay.ipynb.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from distill_lib.errors import DistillError

PAPER_EPOCHS = {"imagenet": 100, "cifar": 200}
"""Epochs of the papers' runs, on whose scale the schedules are written."""
VERSIONS = ("lrdv1", "lrdv2")
DECAY_EPOCHS = {"imagenet": 30, "cifar": (60, 160)}
"""Where the weights step, of the paper's epochs: every 30; at 60 and 160."""
WARMUP_EPOCHS = {"imagenet": 30, "cifar": 60}
"""Epochs during which lrdv2 trains by channel distillation alone."""


def early_decay(
    epoch: int,
    *,
    rate: float,
    factor: float = 1.0,
    data: Literal["imagenet", "cifar"] = "imagenet",
    version: Literal["lrdv1", "lrdv2"] = "lrdv2",
    is_feature_loss: bool = True,
) -> float:
    """The weight of a loss at an epoch, in the authors' four schedules.

    The feature loss (CD, "fd_family") steps by `factor`; under lrdv2 the others (CE, KD) are
    switched off until the warm-up is over. On CIFAR lrdv1 never decays.

    Args:
        epoch: counted from 1, on the scale of the paper's epochs.
        rate: the weight at first ("loss_rate").
        factor: what each step multiplies it by.
        data: "imagenet" steps after every 30 epochs, "cifar" at 60 and 160.
        version: "lrdv1" or "lrdv2".
        is_feature_loss: True for CD; False for CE, KD and GKD.
    Returns:
        the weight.
    Raises:
        DistillError: the epoch is below 1, or a name is unknown.
    """
    if epoch < 1:
        raise DistillError(f"epoch is {epoch}; epochs are counted from 1.")
    if data not in DECAY_EPOCHS or version not in VERSIONS:
        raise DistillError(
            f"no schedule {version!r} for {data!r}; expected lrdv1 or lrdv2 for imagenet or cifar."
        )
    if version == "lrdv2" and not is_feature_loss and epoch <= WARMUP_EPOCHS[data]:
        return 0.0
    if data == "imagenet":
        return rate * factor ** (epoch // DECAY_EPOCHS[data])
    if version == "lrdv1":
        return rate
    return rate * factor ** sum(epoch >= milestone for milestone in DECAY_EPOCHS[data])


@dataclass(frozen=True)
class Decay:
    """Early decay of one loss, for a run of any length.

    Epoch e of E counts as epoch ceil(e · P / E) of the paper's P: at E = P it is `early_decay`
    itself, and the last epoch is always the paper's last. Short runs round the warm-up of lrdv2
    down: of 8 epochs the first 2 train by the feature loss alone, of 3 none does.

    Args:
        data: whose epochs, "imagenet" (100) or "cifar" (200).
        version: "lrdv1" or "lrdv2".
        factor: what each step multiplies the weight by; the authors take 0.9 for CD, 1 for others.
    Raises:
        DistillError: a name is unknown, or the factor is negative or not finite.

    Explained in notebooks/09_guided_and_early_decay.ipynb.
    """

    data: Literal["imagenet", "cifar"] = "imagenet"
    version: Literal["lrdv1", "lrdv2"] = "lrdv2"
    factor: float = 1.0

    def __post_init__(self):
        early_decay(1, rate=1.0, data=self.data, version=self.version)
        if not 0 <= self.factor < math.inf:
            raise DistillError(f"factor is {self.factor}; expected 0 or more, such as 0.9.")

    def factor_at(self, epoch: int, *, epochs: int, is_feature_loss: bool) -> float:
        """What the weight is multiplied by at an epoch of a run.

        Args:
            epoch: counted from 1.
            epochs: how many the run has.
            is_feature_loss: as in `early_decay`.
        """
        return early_decay(
            -(-epoch * PAPER_EPOCHS[self.data] // epochs),
            rate=1.0,
            factor=self.factor,
            data=self.data,
            version=self.version,
            is_feature_loss=is_feature_loss,
        )


def step_decay(progress: float, milestones: Sequence[float], gamma: float) -> float:
    """gamma to the number of milestones passed, the papers' step schedule.

    Args:
        progress: epochs done, on the scale of the milestones.
        milestones: where the rate drops.
        gamma: what each drop multiplies it by.
    Returns:
        factor of the base learning rate.
    """
    return gamma ** sum(progress >= milestone for milestone in milestones)


def one_cycle(fraction: float, peak_at: float) -> float:
    """Linear up to the peak, then cosine down to zero, for budgets of a few epochs.

    Args:
        fraction: share of the run that is done, 0..1.
        peak_at: share of the run at which the rate peaks.
    Returns:
        factor of the peak learning rate (Smith and Topin, 2018).
    """
    if fraction < peak_at:
        return fraction / peak_at
    return (1 + math.cos(math.pi * (fraction - peak_at) / (1 - peak_at))) / 2


def poly(fraction: float) -> float:
    """(1 - fraction)^0.9, the schedule of OFD's segmentation; the authors have it from DeepLab.

    Args:
        fraction: share of the run that is done, 0..1.
    Returns:
        factor of the base learning rate.
    """
    return (1 - fraction) ** 0.9
