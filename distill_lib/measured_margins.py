"""Margins measured on data, for a teacher whose taps have no batch norm before them.

OFD, section 3.2: the margin is the expectation of the negative responses; the closed form needs
a batch norm, the sample mean needs images. The numbers belong to one teacher's weights, whose
digest they carry.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from distill_lib.errors import FeatureError
from distill_lib.margin_relu import mean_of_negatives
from distill_lib.modes import evaluation_mode
from distill_lib.taps import Tap, reading, unwrap


@dataclass(frozen=True)
class MeasuredMargins:
    """One margin (C,) for each tap, and the digest of the teacher that they belong to."""

    margins: tuple[Tensor, ...]
    taps: tuple[Tap, ...]
    teacher_digest: str

    def check_teacher(self, teacher: nn.Module, taps: Sequence[Tap]) -> None:
        """Refuse another teacher, or other taps.

        Raises:
            FeatureError: the digest or the taps differ.
        """
        if tuple(taps) != self.taps:
            raise FeatureError(
                f"the margins were measured at {', '.join(map(str, self.taps))}, but the taps are "
                f"{', '.join(map(str, taps))}.\n  Measure them again with margin_from_data."
            )
        digest = weights_digest(teacher)
        if digest != self.teacher_digest:
            raise FeatureError(
                "the margins were measured on a teacher with other weights "
                f"(digest {self.teacher_digest[:12]}, this teacher has {digest[:12]}).\n"
                "  Measure them again with margin_from_data, after loading the weights."
            )


@torch.no_grad()
def margin_from_data(
    teacher: nn.Module, batches: Iterable[Tensor], taps: Sequence[Tap]
) -> MeasuredMargins:
    """The mean of the negative features of each channel, over some batches of images.

    Args:
        teacher: the network, read in evaluation mode.
        batches: images (N, 3, H, W), normalised, on the teacher's device.
        taps: where to read, usually "pre".
    Returns:
        margins, one (C,) for each tap; 0 for a channel that was never negative, where a margin
        would have no effect.
    Raises:
        FeatureError: there was no batch, or a tap was not reached.
    """
    teacher = unwrap(teacher)
    totals: dict[Tap, tuple[Tensor, Tensor]] = {}
    with evaluation_mode(teacher), reading(teacher, taps) as reader:
        for images in batches:
            teacher(images)
            for tap, features in reader.take().items():
                new = mean_of_negatives(features)
                old = totals.get(tap, (0, 0))
                totals[tap] = (old[0] + new[0], old[1] + new[1])
    if not totals:
        raise FeatureError("margin_from_data got no batch of images; expected at least one.")
    margins = (total / count.clamp_min(1) for total, count in (totals[tap] for tap in taps))
    return MeasuredMargins(tuple(m.float() for m in margins), tuple(taps), weights_digest(teacher))


def weights_digest(model: nn.Module) -> str:
    """SHA-256 of a network's parameters and buffers, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(data.numpy().tobytes())
    return digest.hexdigest()
