"""Crops and flips against the naive way: pad one image, slice it, mirror it."""

import pytest
import torch
import torch.nn.functional as F

from distill_lib.data import CIFAR_AUGMENT, Augment, crop_and_flip, normalise
from distill_lib.errors import DistillError


def naive(image, offset, flip, padding, padding_mode):
    mode = {"reflect": "reflect", "zero": "constant"}[padding_mode]
    padded = F.pad(image[None].float(), (padding,) * 4, mode=mode)[0]
    top, left = offset.tolist()
    window = padded[:, top : top + image.shape[1], left : left + image.shape[2]]
    return window.flip(2) if flip else window


@pytest.mark.parametrize("padding_mode", ["reflect", "zero"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize(
    ("height", "width", "padding"), [(8, 8, 4), (6, 9, 2), (5, 5, 4), (4, 4, 0)]
)
def test_equals_slicing_each_image(padding_mode, dtype, height, width, padding):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(1, 256, (16, 3, height, width), generator=generator).to(dtype)
    offsets = torch.randint(0, 2 * padding + 1, (16, 2), generator=generator)
    flips = torch.rand(16, generator=generator) < 0.5
    result = crop_and_flip(images, offsets, flips, padding=padding, padding_mode=padding_mode)
    expected = torch.stack(
        [
            naive(image, offset, flip, padding, padding_mode)
            for image, offset, flip in zip(images, offsets, flips, strict=True)
        ]
    )
    assert result.dtype == dtype
    assert torch.equal(result.float(), expected)


def test_zero_padding_may_be_larger_than_the_image():
    images = torch.full((1, 3, 4, 4), 7, dtype=torch.uint8)
    corner = torch.zeros(1, 2, dtype=torch.long)
    unflipped = torch.zeros(1, dtype=torch.bool)
    result = crop_and_flip(images, corner, unflipped, padding=6, padding_mode="zero")
    assert not result.any()


def test_normalise():
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    result = normalise(images, CIFAR_AUGMENT)
    mean = torch.tensor(CIFAR_AUGMENT.mean).view(1, 3, 1, 1)
    std = torch.tensor(CIFAR_AUGMENT.std).view(1, 3, 1, 1)
    torch.testing.assert_close(result, (images.float() - mean) / std)
    assert result.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "wrong",
    [
        {"std": (1.0, 0.0, 1.0)},
        {"mean": (1.0, 1.0)},
        {"padding": -1},
        {"padding_mode": "edge"},
    ],
)
def test_augment_refuses_what_does_not_exist(wrong):
    with pytest.raises(DistillError, match="Expected"):
        Augment(**{"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)} | wrong)
