"""A data set of small images that lives on the training device as one uint8 tensor.

A batch is an index into that tensor; crop, flip and normalisation run on the batch, on the device.
There are no workers and no state: see `epoch_plan.py` for where the randomness comes from.

Explained in notebooks/01_data_and_networks.ipynb.
"""

import hashlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from distill_lib.data.augment import Augment, crop_and_flip, normalise
from distill_lib.data.batching import (
    Batch,
    check_test_batches,
    check_train_batches,
    first_of_each_class,
    share_of,
)
from distill_lib.data.content import Split, content_sha256
from distill_lib.data.epoch_plan import EpochPlan, draw_epoch
from distill_lib.errors import DataError, DistillError


class SmallImages:
    """Training and test images in memory, cut into batches.

    Args:
        name: what errors call the set.
        classes: names of the K classes; labels are 0..K-1.
        train: images uint8 (N, 3, H, H) and labels int64 (N,).
        test: the same for testing, of the same H.
        augment: crop, flip and normalisation.
        device: where images and labels live.
        train_limit: train on this many samples only: the first of each class, equally many.
        sha256: the digest of (train, test) where it is known; computed otherwise.
    Raises:
        DataError: a tensor has the wrong type, shape or size, or a label is not in 0..K-1.
        DistillError: `train_limit` or the padding does not fit the images.
    """

    task = "classification"

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        *,
        train: tuple[Tensor, Tensor],
        test: tuple[Tensor, Tensor],
        augment: Augment,
        device: torch.device | str = "cpu",
        train_limit: int | None = None,
        sha256: str | None = None,
    ) -> None:
        self.name = name
        self.classes = tuple(classes)
        self.num_classes = len(self.classes)
        self.augment = augment
        self.device = torch.device(device)
        self.odd_images: dict[str, str] = {}
        train, test = Split(*train), Split(*test)
        for split_name, split in (("train", train), ("test", test)):
            _check_split(f"{name}, {split_name}", split, self.num_classes)
        self.image_size = train.images.shape[-1]
        if test.images.shape[-1] != self.image_size:
            raise DataError(
                f"{name}, test: images are {_size(test.images)}, "
                f"but the training images are {_size(train.images)}.\n"
                "  Resize one of them."
            )
        if augment.padding_mode == "reflect" and augment.padding >= self.image_size:
            raise DistillError(
                f"{name}: reflect padding of {augment.padding} needs images larger than that, "
                f"these are {_size(train.images)}.\n"
                "  Choose a smaller padding, or padding_mode='zero'."
            )
        self.digest = sha256 or content_sha256(train, test)
        if train_limit is not None:
            chosen = first_of_each_class(name, train.labels, self.num_classes, train_limit)
            train = Split(train.images[chosen], train.labels[chosen])
            self.digest = hashlib.sha256(f"{self.digest}, first {train_limit}".encode()).hexdigest()
        self.train_images = train.images.to(self.device)
        self.train_labels = train.labels.to(self.device)
        self.test_images = test.images.to(self.device)
        self.test_labels = test.labels.to(self.device)

    def __repr__(self) -> str:
        return (
            f"SmallImages({self.name}: {self.num_train:,} + {len(self.test_labels):,} images "
            f"of {_size(self.train_images)}, {self.num_classes} classes, on {self.device})"
        )

    @property
    def num_train(self) -> int:
        """Training samples of an epoch."""
        return len(self.train_labels)

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

        Sample i has the same place in the epoch, the same crop and the same flip whatever
        `start_batch`, `rank` and `world_size` are.

        Args:
            batch_size: samples of a batch over all processes together.
            seed, epoch: what order, crops and flips are drawn from.
            start_batch: batches that a resumed run has seen already.
            rank, world_size: this process takes the rank-th contiguous part of each batch.
        Raises:
            DistillError: at the call, when a number is out of range or a batch would leave a
                process without samples.
        """
        check_train_batches(self.name, self.num_train, batch_size, start_batch, rank, world_size)
        plan = draw_epoch(
            self.num_train,
            seed=seed,
            epoch=epoch,
            padding=self.augment.padding,
            flip=self.augment.flip,
        )
        starts = range(start_batch * batch_size, self.num_train, batch_size)
        return self._train_batches(plan, starts, batch_size, rank, world_size)

    def _train_batches(
        self, plan: EpochPlan, starts: range, batch_size: int, rank: int, world_size: int
    ) -> Iterator[Batch]:
        # Moved once: a copy per batch would make the host wait for the device.
        order = plan.order.to(self.device)
        offsets = plan.offsets.to(self.device)
        flips = plan.flips.to(self.device)
        for start in starts:
            global_size = min(batch_size, self.num_train - start)
            part = share_of(global_size, rank, world_size, start)
            samples = order[part]
            images = crop_and_flip(
                self.train_images[samples],
                offsets[samples],
                flips[samples],
                padding=self.augment.padding,
                padding_mode=self.augment.padding_mode,
            )
            yield Batch(
                plan.order[part],
                normalise(images, self.augment),
                self.train_labels[samples],
                global_size,
            )

    def test_batches(
        self, *, batch_size: int = 500, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        """The test set in stored order, no crop, no flip; a process has a contiguous part of it."""
        check_test_batches(self.name, batch_size, rank, world_size)
        return self._test_batches(batch_size, rank, world_size)

    def _test_batches(self, batch_size: int, rank: int, world_size: int) -> Iterator[Batch]:
        part = share_of(len(self.test_labels), rank, world_size)
        for start in range(part.start, part.stop, batch_size):
            stop = min(start + batch_size, part.stop)
            yield Batch(
                torch.arange(start, stop),
                normalise(self.test_images[start:stop], self.augment),
                self.test_labels[start:stop],
                stop - start,
            )


def _size(images: Tensor) -> str:
    return "x".join(str(side) for side in images.shape[-2:])


def _check_split(where: str, split: Split, num_classes: int) -> None:
    images, labels = split
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise DataError(
            f"{where}: images are {images.dtype} of shape {tuple(images.shape)}.\n"
            "  Expected torch.uint8 of shape (N, 3, H, W); grey images are repeated: "
            "images.expand(-1, 3, -1, -1)."
        )
    if images.shape[2] != images.shape[3] or len(images) == 0:
        raise DataError(
            f"{where}: {len(images)} images of {_size(images)}.\n"
            "  Expected at least one image, as high as wide."
        )
    if labels.dtype != torch.int64 or labels.shape != (len(images),):
        raise DataError(
            f"{where}: labels are {labels.dtype} of shape {tuple(labels.shape)}.\n"
            f"  Expected torch.int64 of shape ({len(images)},), one label for each image."
        )
    outside = ((labels < 0) | (labels >= num_classes)).nonzero()
    if len(outside):
        index = outside[0].item()
        raise DataError(
            f"{where}: label {labels[index].item()} at index {index} names no class.\n"
            f"  Expected 0..{num_classes - 1} for {num_classes} classes; "
            f"{len(outside)} of {len(labels)} labels are outside.\n"
            "  Renumber the labels or name all classes."
        )
