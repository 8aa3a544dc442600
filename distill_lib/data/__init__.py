"""Data: small images in memory.

    data = load_data("fashion")
    for batch in data.train_batches(batch_size=128, seed=0, epoch=1):
        ...

torchvision and PIL are imported where a set is decoded, not here.
"""

import torch

from distill_lib.data.augment import (
    CIFAR_AUGMENT,
    CIFAR_MMRAZOR_AUGMENT,
    FASHION_AUGMENT,
    Augment,
    crop_and_flip,
    normalise,
)
from distill_lib.data.registry import (
    DATASETS,
    DatasetInfo,
    DatasetStatus,
    data_status,
    dataset_info,
)
from distill_lib.data.small_images import Batch, SmallImages

__all__ = [
    "CIFAR_AUGMENT",
    "CIFAR_MMRAZOR_AUGMENT",
    "DATASETS",
    "FASHION_AUGMENT",
    "Augment",
    "Batch",
    "DatasetInfo",
    "DatasetStatus",
    "SmallImages",
    "crop_and_flip",
    "data_status",
    "load_data",
    "normalise",
    "prepare",
]


def load_data(
    name: str,
    *,
    augment: Augment | None = None,
    device: torch.device | str = "cpu",
    train_limit: int | None = None,
    download: bool = False,
) -> SmallImages:
    """Load a data set by its name in `DATASETS`.

    Args:
        name: "fashion", "cifar10" or "cifar100".
        augment: crop, flip and normalisation; the set's own unless given.
        device: where images and labels live.
        train_limit: train on this many samples only: the first of each class, equally many.
        download: fetch the set if it is not on this machine.
    Raises:
        DistillError: no set has this name, or `train_limit` does not fit it.
        DataError: the set is not on this machine, or its files are damaged.
    """
    info = dataset_info(name)
    content = info.loader(download)
    return SmallImages(
        info.name,
        info.classes,
        train=content.train,
        test=content.test,
        augment=augment or info.default_augment,
        device=device,
        train_limit=train_limit,
        sha256=content.sha256,
    )


def prepare(name: str, download: bool = False) -> None:
    """Find, check and decode a set once, so that the next `load_data` is quick.

    Raises:
        DistillError: no set has this name.
        DataError: the set is not on this machine, or its files are damaged.
    """
    dataset_info(name).loader(download)
