"""What every data set does alike: batches cut into shares, checked before the first one."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from distill_lib.errors import DistillError

VOID = 255
"""Label of a pixel that belongs to no class: neither the loss nor a metric counts it."""


class Batch(NamedTuple):
    """What one process trains or tests on in one step; n is its share of the global batch.

    Attributes:
        indices: which samples these are, (n,) int64, on the CPU.
        images: float32 (n, 3, H, W), normalised, channels_last, on the device.
        labels: int64, on the device: class indices (n,); of segmentation a class for each pixel,
            (n, H, W), VOID where none is known. Of detection n dictionaries as torchvision has
            them: boxes (M, 4), x1 y1 x2 y2 in pixels, and labels (M,), 1..K.
        global_size: samples in the batch over all processes (in testing: n).
    """

    indices: Tensor
    images: Tensor
    labels: Tensor | list[dict[str, Tensor]]
    global_size: int


class ImageData(Protocol):
    """What `fit` and `evaluate` ask of a data set: every class of `distill_lib.data` has it.

    Attributes:
        name: what errors call the set.
        task: what its labels are for, a name in `TASKS`.
        classes: names of the K classes; labels are 0..K-1.
        num_classes: K.
        image_size: height and width of a training batch's images, in pixels.
        num_train: training samples of an epoch.
        device: where batches are.
        digest: SHA-256, for a run's identity.
        odd_images: files that were converted or left out so far, and why.
    """

    name: str
    task: str
    classes: tuple[str, ...]
    num_classes: int
    image_size: int
    num_train: int
    device: torch.device
    digest: str
    odd_images: dict[str, str]

    def num_batches(self, batch_size: int) -> int:
        """Global batches of an epoch; the last one may be smaller."""

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
        """The batches of one epoch, as one process of `world_size` sees them."""

    def test_batches(
        self, *, batch_size: int = 500, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        """The test images in stored order."""


def share_of(count: int, rank: int, world_size: int, start: int = 0) -> slice:
    """The rank-th contiguous part of `count` samples that begin at `start`."""
    return slice(start + rank * count // world_size, start + (rank + 1) * count // world_size)


def first_of_each_class(name: str, labels: Tensor, num_classes: int, limit: int) -> Tensor:
    """Indices of the first limit / K samples of each class, in stored order."""
    per_class, remainder = divmod(limit, num_classes)
    smallest = torch.bincount(labels, minlength=num_classes).min().item()
    if remainder or not 1 <= per_class <= smallest:
        raise DistillError(
            f"{name}: train_limit {limit} cannot be shared equally by {num_classes} classes.\n"
            f"  Expected a multiple of {num_classes}, at most {smallest * num_classes} "
            f"({smallest} of each class)."
        )
    first = [(labels == k).nonzero().flatten()[:per_class] for k in range(num_classes)]
    return torch.cat(first).sort().values


def check_train_batches(
    name: str, num_train: int, batch_size: int, start_batch: int, rank: int, world_size: int
) -> None:
    """Refuse numbers that are out of range, or a batch that leaves a process without samples."""
    check_rank(rank, world_size)
    if batch_size < 1:
        raise DistillError(f"{name}: batch_size {batch_size} is not at least 1.")
    num_batches = -(-num_train // batch_size)
    if not 0 <= start_batch <= num_batches:
        raise DistillError(
            f"{name}: start_batch {start_batch} is not in 0..{num_batches}, "
            f"the batches of an epoch at batch_size {batch_size}."
        )
    smallest = num_train - (num_batches - 1) * batch_size
    if smallest < world_size:
        raise DistillError(
            f"{name}: the last batch of an epoch has {smallest} of {batch_size} samples, "
            f"too few for {world_size} processes.\n"
            f"  {num_train:,} training samples leave that remainder.\n"
            "  Choose another batch size, or fewer processes."
        )


def check_test_batches(name: str, batch_size: int, rank: int, world_size: int) -> None:
    """Refuse numbers that are out of range."""
    check_rank(rank, world_size)
    if batch_size < 1:
        raise DistillError(f"{name}: batch_size {batch_size} is not at least 1.")


def check_rank(rank: int, world_size: int) -> None:
    """Refuse a process number outside 0..world_size - 1."""
    if not 0 <= rank < world_size:
        raise DistillError(f"rank {rank} is not in 0..{world_size - 1}, the ranks of this run.")
