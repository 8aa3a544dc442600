"""CIFAR-10 from four archives of lossless WebP images.

`cifar10-{train-1of3,train-2of3,train-3of3,test}.tar.xz` hold `cifar10/<split>/<class>/*.webp`. The
images are decoded out of the stream; 60,000 small files never touch the disk.
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from distill_lib.data.archives import read_members
from distill_lib.data.content import Split
from distill_lib.errors import DataError

ARCHIVES = {
    "train": tuple(f"cifar10-train-{i}of3.tar.xz" for i in (1, 2, 3)),
    "test": ("cifar10-test.tar.xz",),
}
IMAGES_PER_CLASS = {"train": 5_000, "test": 1_000}
IMAGE_SIZE = 32
# A raw image has 3 kB; more is not one of these.
MAX_FILE_BYTES = 16_384


def read_image_archives(folder: Path, split: str, classes: Sequence[str]) -> Split:
    """Decode one split.

    Args:
        folder: where the archives are.
        split: "train" or "test".
        classes: folder names, in the order of the labels.
    Returns:
        Images (N, 3, 32, 32) and labels (N,), by class and file name.
    Raises:
        DataError: an archive is missing, damaged or holds something else, or images are missing.
    """
    pattern = re.compile(rf"(?:\./)?cifar10/{split}/({'|'.join(classes)})/([\w.-]+\.webp)")
    decoded: dict[tuple[int, str], np.ndarray] = {}
    for name in ARCHIVES[split]:
        for match, encoded in read_members(folder / name, pattern, max_bytes=MAX_FILE_BYTES):
            key = (classes.index(match[1]), match[2])
            decoded[key] = _decode(encoded, f"{folder / name}: {match[0]}")
    keys = sorted(decoded)
    counts = np.bincount([label for label, _ in keys], minlength=len(classes))
    expected = IMAGES_PER_CLASS[split]
    for class_name, count in zip(classes, counts, strict=True):
        if count != expected:
            raise DataError(
                f"{folder}: class {class_name!r} has {count} {split} images.\n"
                f"  Expected {expected}, from {', '.join(ARCHIVES[split])}.\n"
                "  An archive is incomplete: fetch them again."
            )
    images = torch.from_numpy(np.stack([decoded[key] for key in keys]))  # (N, 32, 32, 3)
    labels = torch.tensor([label for label, _ in keys])
    return Split(images.permute(0, 3, 1, 2).contiguous(), labels)


def _decode(encoded: bytes, where: str) -> np.ndarray:
    """One image, (32, 32, 3) uint8."""
    from PIL import Image  # Here, since `import distill_lib.data` is done at every start.

    try:
        with Image.open(io.BytesIO(encoded), formats=["WEBP"]) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(
            f"{where} cannot be decoded: {error}.\n  The archive is damaged: fetch it again."
        ) from error
    if pixels.shape != (IMAGE_SIZE, IMAGE_SIZE, 3):
        raise DataError(
            f"{where} is {pixels.shape[1]}x{pixels.shape[0]}.\n"
            f"  Expected {IMAGE_SIZE}x{IMAGE_SIZE}. Is it the right archive?"
        )
    return pixels
