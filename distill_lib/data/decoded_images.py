"""What all sets share whose images are decoded one by one, by worker processes or in this one.

What is random in a sample is a function of (seed, epoch, sample), whatever the number of workers
or processes. An unreadable file is left out of its batch, noted, and never stops an epoch.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from distill_lib.data.augment import normalise
from distill_lib.data.batching import Batch, check_test_batches, check_train_batches, share_of
from distill_lib.data.epoch_plan import epoch_generator
from distill_lib.data.image_files import UNREADABLE
from distill_lib.data.worker_signals import leave_signals_to_the_run
from distill_lib.errors import DataError

MOST_UNREADABLE = 0.01
"""Share of the training files that may be unreadable before a run is refused."""


class Sample(NamedTuple):
    """An image as it is stored, with its label.

    Attributes:
        image: a PIL image or a uint8 tensor (3, H, W), whatever the transform takes; None where
            the file cannot be decoded.
        label: class index; mask; or boxes with their labels.
        file: where the image came from, "" for none.
        odd: what was odd in it, as `read_rgb` says it.
    """

    image: object
    label: object
    file: str = ""
    odd: str | None = None


class DecodedImages:
    """Training and test samples, cut into batches.

    Args:
        name: what errors call the set.
        train, test: samples by index; decoded when asked for.
        transforms: of training and of testing: (image, label) -> (uint8 (3, H, W), label).
        augment: normalisation: its mean and std.
        device: where batches are put.
        folder: what the names of odd files are told relative to.
        workers: processes that decode; as many as this process may use cores, at most 8, if not
            given; 0 decodes in this process.
    Raises:
        DataError: there is nothing to train or to test on.
    """

    def __init__(
        self,
        name: str,
        train: Sequence[Sample],
        test: Sequence[Sample],
        transforms: tuple[Callable, Callable],
        *,
        augment,
        device: torch.device | str = "cpu",
        folder: Path | None = None,
        workers: int | None = None,
    ) -> None:
        if not len(train) or not len(test):
            raise DataError(
                f"{name}: {len(train)} images to train on, {len(test)} to test on.\n"
                "  Expected at least one of each."
            )
        self.name = name
        self.folder = folder
        self.augment = augment
        self.device = torch.device(device)
        self.workers = min(8, _usable_cores()) if workers is None else workers
        self.num_train, self.num_test = len(train), len(test)
        self.odd_images: dict[str, str] = {}
        self._train_loader = self._loader(_Transformed(train, transforms[0]), stay=True)
        self._test = _Transformed(test, transforms[1])

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name}: {self.num_train:,} + {self.num_test:,} images at "
            f"{self.image_size}x{self.image_size}, {self.num_classes} classes"
            + (f", {self.folder})" if self.folder else ")")
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
            DataError: later, when a label is wrong, or more than one in a hundred files is
                unreadable.
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
        """The test images in stored order; a process has a contiguous part of them."""
        check_test_batches(self.name, batch_size, rank, world_size)
        part = share_of(self.num_test, rank, world_size)
        keys = [(index, 0) for index in range(part.start, part.stop)]
        batches = [keys[i : i + batch_size] for i in range(0, len(keys), batch_size)]
        loader = self._loader(self._test, stay=False)
        return self._batches(loader, batches, [len(batch) for batch in batches])

    def _loader(self, samples: "_Transformed", *, stay: bool) -> DataLoader:
        return DataLoader(
            samples,
            batch_sampler=_Plan(),
            num_workers=self.workers,
            worker_init_fn=leave_signals_to_the_run,
            collate_fn=_collate,
            persistent_workers=stay and self.workers > 0,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # or each epoch would draw from the global random state
        )

    def _batches(self, loader: DataLoader, batches: list, sizes: list[int]) -> Iterator[Batch]:
        loader.batch_sampler.batches = batches
        for size, (indices, images, labels, odd, refusal) in zip(sizes, loader, strict=True):
            if refusal:
                raise DataError(f"{self.name}: {refusal}")
            self._note(odd)
            if not len(indices):
                raise DataError(f"{self.name}: no image of a batch of {size} can be read.")
            images = normalise(images.to(self.device, non_blocking=True), self.augment)
            yield Batch(indices, images, self._to_device(labels), size)

    def _to_device(self, labels: Tensor | list[dict[str, Tensor]]):
        if isinstance(labels, Tensor):  # a mask travels as uint8
            return labels.to(self.device, non_blocking=True).long()
        return [{k: v.to(self.device, non_blocking=True) for k, v in d.items()} for d in labels]

    def _note(self, odd: dict[str, str]) -> None:
        names = {str(Path(file).relative_to(self.folder)): what for file, what in odd.items()}
        self.odd_images |= names
        bad = [file for file, what in self.odd_images.items() if what.startswith(UNREADABLE)]
        if len(bad) > max(10, MOST_UNREADABLE * self.num_train):
            raise DataError(
                f"{self.name}: {len(bad)} of {self.num_train:,} files cannot be read, such as "
                f"{bad[0]}.\n  List them: python -m distill_lib data --check {self.name}"
            )


class _Transformed(Dataset):
    """Decodes and transforms one sample; its key says which, and where its random draws start."""

    def __init__(self, samples: Sequence[Sample], transform: Callable) -> None:
        self.samples = samples
        self.transform = transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, Sample] | DataError:
        index, seed = key
        try:
            sample = self.samples[index]
        except DataError as error:  # a worker would wrap it in its traceback
            return error
        if sample.image is None:
            return index, sample
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # the CPU's alone: others run meanwhile
            image, label = self.transform(sample.image, sample.label)
        return index, sample._replace(image=image, label=label)


class _Plan:
    """The keys of an epoch's batches; set anew before each epoch, while the workers stay."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[int, int]]] = []

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def _collate(found: list) -> tuple:
    """Indices, images and labels of what can be read, what is odd, and why all is refused."""
    refusals = [str(one) for one in found if isinstance(one, DataError)]
    if refusals:
        return None, None, None, {}, refusals[0]
    odd = {sample.file: sample.odd for _, sample in found if sample.odd}
    whole = [(index, sample) for index, sample in found if sample.image is not None]
    if not whole:
        return torch.empty(0), torch.empty(0), torch.empty(0), odd, None
    labels = [sample.label for _, sample in whole]
    if isinstance(labels[0], Tensor):
        labels = torch.stack(labels)
    elif isinstance(labels[0], int):
        labels = torch.tensor(labels)
    else:
        labels = [{k: v.as_subclass(Tensor) for k, v in one.items()} for one in labels]
    indices = torch.tensor([index for index, _ in whole])
    return indices, torch.stack([sample.image for _, sample in whole]), labels, odd, None


def digest_of_files(folder: Path, files: list[str], labels: Tensor) -> str:
    """SHA-256 of names, sizes and labels: reading every byte would take too long at each start."""
    digest = hashlib.sha256(labels.numpy().tobytes())
    for file in files:
        try:
            size = os.path.getsize(file)
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror}.") from error
        digest.update(f"{os.path.relpath(file, folder)} {size}\n".encode())
    return digest.hexdigest()


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
