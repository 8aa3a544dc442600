"""Images as files, in ImageNet's layout, decoded by worker processes while the device trains.

    <folder>/train/<class>/<any name>.jpeg
    <folder>/val/<class>/<any name>.jpeg

Crop and flip of a sample are a function of (seed, epoch, sample), whatever the number of workers
or processes. Training: a random part of the image resized, and mirrored half of the time; testing:
the shorter side to 256/224 of the size, the centre cut out (both papers; torchvision's v2).
An unreadable file is left out of its batch, noted, and never stops an epoch.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from distill_lib.data.augment import normalise
from distill_lib.data.batching import (
    Batch,
    check_test_batches,
    check_train_batches,
    first_of_each_class,
    share_of,
)
from distill_lib.data.epoch_plan import epoch_generator
from distill_lib.data.image_files import UNREADABLE, read_rgb
from distill_lib.errors import DataError, DistillError

SPLITS = ("train", "val")
RESIZED_FOR_TEST = 256 / 224
MOST_UNREADABLE = 0.01
"""Share of the training files that may be unreadable before a run is refused."""


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


class ImageFolders:
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
        self.name = name
        self.folder = Path(folder)
        self.image_size = image_size
        self.augment = augment
        self.device = torch.device(device)
        self.workers = min(8, _usable_cores()) if workers is None else workers
        listed = {split: _list_split(name, self.folder / split) for split in SPLITS}
        self.classes = _same_classes(name, listed["train"][0], listed["val"][0])
        self.num_classes = len(self.classes)
        files, labels = listed["train"][1:]
        self.digest = _digest(self.folder, [*files, *listed["val"][1]], labels)
        if train_limit is not None:
            chosen = first_of_each_class(name, labels, self.num_classes, train_limit).tolist()
            files, labels = [files[i] for i in chosen], labels[chosen]
            self.digest = hashlib.sha256(f"{self.digest}, first {train_limit}".encode()).hexdigest()
        self.num_train, self.num_test = len(files), len(listed["val"][1])
        self.odd_images: dict[str, str] = {}
        self._train = _Decoder(files, labels, _train_transform(image_size, augment))
        self._val = _Decoder(*listed["val"][1:], _val_transform(image_size))
        self._train_loader = self._loader(self._train, stay=True)

    def __repr__(self) -> str:
        return (
            f"ImageFolders({self.name}: {self.num_train:,} + {self.num_test:,} images at "
            f"{self.image_size}x{self.image_size}, {self.num_classes} classes, {self.folder})"
        )

    def num_batches(self, batch_size: int) -> int:
        """Global batches of an epoch; the last one may be smaller."""
        return -(-self.num_train // batch_size)

    def train_batches(
        self,
        *,
        batch_size: int,
        seed: int,
        epoch: int,
        start_batch: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> Iterator[Batch]:
        """The batches of one epoch, as one process of `world_size` sees them.

        Arguments as `SmallImages.train_batches`.

        Raises:
            DistillError: at the call, when a number is out of range.
            DataError: later, when more than one in a hundred files is unreadable.
        """
        check_train_batches(self.name, self.num_train, batch_size, start_batch, rank, world_size)
        generator = epoch_generator(seed, epoch)
        order = torch.randperm(self.num_train, generator=generator)
        seeds = torch.randint(2**62, (self.num_train,), generator=generator)
        starts = range(start_batch * batch_size, self.num_train, batch_size)
        sizes = [min(batch_size, self.num_train - start) for start in starts]
        parts = [
            order[share_of(size, rank, world_size, start)]
            for start, size in zip(starts, sizes, strict=True)
        ]
        batches = [list(zip(part.tolist(), seeds[part].tolist(), strict=True)) for part in parts]
        return self._batches(self._train_loader, batches, sizes)

    def test_batches(
        self, *, batch_size: int = 500, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        """The validation images in order of class and name; a process has a contiguous part."""
        check_test_batches(self.name, batch_size, rank, world_size)
        part = share_of(self.num_test, rank, world_size)
        keys = [(index, 0) for index in range(part.start, part.stop)]
        batches = [keys[i : i + batch_size] for i in range(0, len(keys), batch_size)]
        loader = self._loader(self._val, stay=False)
        return self._batches(loader, batches, [len(batch) for batch in batches])

    def _loader(self, decoder: "_Decoder", *, stay: bool) -> DataLoader:
        return DataLoader(
            decoder,
            batch_sampler=_Plan(),
            num_workers=self.workers,
            collate_fn=_collate,
            persistent_workers=stay and self.workers > 0,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # or each epoch would draw from the global random state
        )

    def _batches(self, loader: DataLoader, batches: list, sizes: list[int]) -> Iterator[Batch]:
        loader.batch_sampler.batches = batches
        for size, (indices, images, labels, odd) in zip(sizes, loader, strict=True):
            self._note(odd)
            if not len(indices):
                raise DataError(f"{self.name}: no image of a batch of {size} can be read.")
            images = images.to(self.device, non_blocking=True)
            labels = labels.to(self.device, non_blocking=True)
            yield Batch(indices, normalise(images, self.augment), labels, size)

    def _note(self, odd: dict[str, str]) -> None:
        names = {str(Path(file).relative_to(self.folder)): what for file, what in odd.items()}
        self.odd_images |= names
        bad = [file for file, what in self.odd_images.items() if what.startswith(UNREADABLE)]
        if len(bad) > max(10, MOST_UNREADABLE * self.num_train):
            raise DataError(
                f"{self.name}: {len(bad)} of {self.num_train:,} files cannot be read, such as "
                f"{bad[0]}.\n  List them: python -m distill_lib data --check {self.name}"
            )


class _Decoder(Dataset):
    """Decodes one image; its key says which, and where its random draws start."""

    def __init__(self, files: list[str], labels: Tensor, transform) -> None:
        # One block of bytes: a list of a million strings would be copied by every worker.
        self.files = np.array([os.fsencode(file) for file in files])
        self.labels = labels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, Tensor | None, int, str, str | None]:
        index, seed = key
        path = os.fsdecode(self.files[index])
        image, odd = read_rgb(path)
        pixels = None
        if image is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                pixels = self.transform(image)
        return index, pixels, int(self.labels[index]), path, odd


class _Plan:
    """The keys of an epoch's batches; set anew before each epoch, while the workers stay."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[int, int]]] = []

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def _collate(samples: list) -> tuple[Tensor, Tensor, Tensor, dict[str, str]]:
    odd = {path: what for *_, path, what in samples if what}
    whole = [(index, pixels, label) for index, pixels, label, *_ in samples if pixels is not None]
    if not whole:
        return torch.empty(0), torch.empty(0), torch.empty(0), odd
    indices, images, labels = zip(*whole, strict=True)
    return torch.tensor(indices), torch.stack(images), torch.tensor(labels), odd


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


def _digest(folder: Path, files: list[str], labels: Tensor) -> str:
    """SHA-256 of names, sizes and labels: reading every byte would take too long at each start."""
    digest = hashlib.sha256(labels.numpy().tobytes())
    for file in files:
        digest.update(f"{os.path.relpath(file, folder)} {os.path.getsize(file)}\n".encode())
    return digest.hexdigest()


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
