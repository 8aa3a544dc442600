"""Images as files, in ImageNet's layout, decoded by worker processes while the device trains.

    <folder>/train/<class>/<any name>.jpeg
    <folder>/val/<class>/<any name>.jpeg

Training: a random part of the image resized, and mirrored half of the time; testing: the shorter
side to 256/224 of the size, the centre cut out (both papers; torchvision's v2).
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distill_lib.data.batching import first_of_each_class
from distill_lib.data.decoded_images import DecodedImages, Sample, digest_of_files
from distill_lib.data.image_files import read_rgb
from distill_lib.errors import DataError, DistillError

SPLITS = ("train", "val")
RESIZED_FOR_TEST = 256 / 224


@dataclass(frozen=True)
class ResizedCrop:
    """How training images are varied, and how all are normalised: torchvision's ImageNet way.

    Attributes:
        scale: least and most area of the random part, of the whole image's.
        flip: mirror left to right, for half of the samples.
        mean, std: per channel, in units of 0..255.
    """

    scale: tuple[float, float] = (0.08, 1.0)
    flip: bool = True
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise DistillError(
                f"ResizedCrop: scale is {self.scale}; expected least and most area, in (0, 1]."
            )


class ImageFolders(DecodedImages):
    """Training and validation images in ImageNet's layout, cut into batches.

    Args:
        name: what errors call the set.
        folder: where `train/` and `val/` are.
        image_size: height and width of a batch's images, in pixels.
        augment: crop, flip and normalisation.
        device: where batches are put.
        train_limit: train on this many samples only: the first of each class, equally many.
        workers: processes that decode; as many as this process may use cores, at most 8, if not
            given; 0 decodes in this process.
    Raises:
        DataError: a split or class is missing or empty, or the two splits' classes differ.
        DistillError: `train_limit` does not fit.
    """

    task = "classification"

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        image_size: int,
        augment: ResizedCrop,
        device: torch.device | str = "cpu",
        train_limit: int | None = None,
        workers: int | None = None,
    ) -> None:
        self.image_size = image_size
        folder = Path(folder)
        listed = {split: _list_split(name, folder / split) for split in SPLITS}
        self.classes = _same_classes(name, listed["train"][0], listed["val"][0])
        self.num_classes = len(self.classes)
        files, labels = listed["train"][1:]
        self.digest = digest_of_files(folder, [*files, *listed["val"][1]], labels)
        if train_limit is not None:
            chosen = first_of_each_class(name, labels, self.num_classes, train_limit).tolist()
            files, labels = [files[i] for i in chosen], labels[chosen]
            self.digest = hashlib.sha256(f"{self.digest}, first {train_limit}".encode()).hexdigest()
        super().__init__(
            name,
            _Files(files, labels),
            _Files(*listed["val"][1:]),
            (_train_transform(image_size, augment), _val_transform(image_size)),
            augment=augment,
            device=device,
            folder=folder,
            workers=workers,
        )


class _Files:
    """Images and their classes, decoded when asked for."""

    def __init__(self, files: list[str], labels: Tensor) -> None:
        # One block of bytes: a list of a million strings would be copied by every worker.
        self.files = np.array([os.fsencode(file) for file in files])
        self.labels = labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        file = os.fsdecode(self.files[index])
        image, odd = read_rgb(file)
        return Sample(image, int(self.labels[index]), file, odd)


def _train_transform(size: int, augment: ResizedCrop):
    from torchvision.transforms import v2

    flip = v2.RandomHorizontalFlip(0.5 if augment.flip else 0.0)
    return v2.Compose([v2.RandomResizedCrop(size, augment.scale), flip, v2.PILToTensor()])


def _val_transform(size: int):
    from torchvision.transforms import v2

    resized = v2.Resize(round(size * RESIZED_FOR_TEST))
    return v2.Compose([resized, v2.CenterCrop(size), v2.PILToTensor()])


def _list_split(name: str, folder: Path) -> tuple[list[str], list[str], Tensor]:
    """Classes, files and labels of one split, in order of class and file name."""
    from torchvision.datasets import ImageFolder

    try:
        found = ImageFolder(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"{name}: {error}.\n  Expected {folder.parent}/{{train,val}}/<class>/<image files>."
        ) from error
    files, labels = zip(*found.samples, strict=True)
    return found.classes, list(files), torch.tensor(labels)


def _same_classes(name: str, train: list[str], val: list[str]) -> tuple[str, ...]:
    if train != val:
        only = {"train": sorted(set(train) - set(val)), "val": sorted(set(val) - set(train))}
        raise DataError(
            f"{name}: train/ has {len(train)} classes, val/ has {len(val)}; "
            + "; ".join(f"only in {s}/: {', '.join(c[:5])}" for s, c in only.items() if c)
            + ".\n  Expected the same folders in both."
        )
    return tuple(train)
