"""Random crop and flip, per sample, and normalisation, as pure functions of a batch.

The random numbers come from outside (`small_images.py` draws them), so these functions give the
same pixels on any device, in any batch.
"""

import functools
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from distill_lib.errors import DistillError

PaddingMode = Literal["reflect", "zero"]


@dataclass(frozen=True)
class Augment:
    """How training images are varied, and how all images are normalised.

    Attributes:
        mean, std: per channel, in units of 0..255.
        padding: pixels added on each side before a crop of the old size; 0 for no crop.
        padding_mode: what is added: the mirrored image, or black (before normalisation).
        flip: mirror left to right, for half of the samples.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    padding: int = 4
    padding_mode: PaddingMode = "reflect"
    flip: bool = True

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise DistillError(
                f"Augment: mean {self.mean} and std {self.std} do not fit.\n"
                "  Expected three numbers each, std above 0, in units of 0..255."
            )
        if self.padding < 0 or self.padding_mode not in ("reflect", "zero"):
            raise DistillError(
                f"Augment: padding {self.padding} in mode {self.padding_mode!r} does not exist.\n"
                "  Expected padding >= 0 and the mode 'reflect' or 'zero'."
            )


# Heo et al. (ICCV 2019), the authors' CIFAR code; the paper gives no values.
CIFAR_AUGMENT = Augment(mean=(125.3, 123.0, 113.9), std=(63.0, 62.1, 66.7))
# MMRazor's OFD config. The smaller std is the mean of the images' own std, not that of all pixels.
CIFAR_MMRAZOR_AUGMENT = Augment(
    mean=(125.307, 122.961, 113.8575), std=(51.5865, 50.847, 51.255), padding_mode="zero"
)
# Measured on the 10,000 embedded training images in their 32x32 frame. The frame has two black
# pixels on each side already, so moves by two more never cut into the article.
FASHION_AUGMENT = Augment(
    mean=(55.970, 55.970, 55.970), std=(84.842, 84.842, 84.842), padding=2, padding_mode="zero"
)


def crop_and_flip(
    images: Tensor,
    offsets: Tensor,
    flips: Tensor,
    *,
    padding: int,
    padding_mode: PaddingMode,
) -> Tensor:
    """Pad each image, cut a window of the old size out of it, mirror it where asked.

    One gather for the whole batch: every pixel of the result is looked up in the unpadded image.

    Args:
        images: (N, C, H, W), any dtype.
        offsets: top and left edge of each window in the padded image, (N, 2), 0..2*padding.
        flips: which windows to mirror left to right, (N,) bool.
        padding: pixels on each side; below H and W for "reflect".
        padding_mode: "reflect" or "zero".
    Returns:
        (N, C, H, W), dtype of `images`.
    """
    n, c, h, w = images.shape
    rows = offsets[:, :1] - padding + torch.arange(h, device=images.device)  # (N, H)
    columns = offsets[:, 1:] - padding + torch.arange(w, device=images.device)  # (N, W)
    columns = torch.where(flips[:, None], columns.flip(1), columns)
    if padding_mode == "reflect":
        source_rows, source_columns = _reflect(rows, h), _reflect(columns, w)
    else:
        source_rows, source_columns = rows.clamp(0, h - 1), columns.clamp(0, w - 1)
    source = source_rows[:, :, None] * w + source_columns[:, None, :]  # (N, H, W)
    source = source.view(n, 1, h * w).expand(n, c, h * w)
    cropped = images.reshape(n, c, h * w).gather(2, source).view(n, c, h, w)
    if padding_mode == "zero":
        inside = (rows == source_rows)[:, None, :, None] & (columns == source_columns)[
            :, None, None
        ]
        cropped = torch.where(inside, cropped, 0)
    return cropped


def normalise(images: Tensor, augment: Augment) -> Tensor:
    """(images - mean) / std, in float32 and channels_last.

    Args:
        images: uint8 (N, 3, H, W).
        augment: where mean and std are taken from.
    Returns:
        float32 (N, 3, H, W), channels_last in memory.
    """
    mean, std = _mean_and_std(augment, images.device)
    images = images.to(torch.float32, memory_format=torch.channels_last)
    return images.sub_(mean).div_(std)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Indices mirrored at both edges, the edge itself not repeated."""
    return (size - 1) - ((size - 1) - index.abs()).abs()


# Kept, because moving two small tensors to a GPU in every batch makes the host wait for it.
@functools.lru_cache(maxsize=32)
def _mean_and_std(augment: Augment, device: torch.device) -> tuple[Tensor, Tensor]:
    return tuple(
        torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        for values in (augment.mean, augment.std)
    )
