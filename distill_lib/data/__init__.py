"""Data: small images in memory, large ones in folders.

    data = load_data("fashion")
    for batch in data.train_batches(batch_size=128, seed=0, epoch=1):
        ...

torchvision and PIL are imported where a set is decoded, not here.
"""

from distill_lib.data.augment import (
    CIFAR_AUGMENT,
    CIFAR_MMRAZOR_AUGMENT,
    FASHION_AUGMENT,
    Augment,
    crop_and_flip,
    normalise,
)
from distill_lib.data.batching import Batch, ImageData
from distill_lib.data.image_folders import ImageFolders, ResizedCrop
from distill_lib.data.registry import (
    DATASETS,
    DatasetInfo,
    DatasetStatus,
    data_status,
    image_folder,
    load_data,
    prepare,
)
from distill_lib.data.small_images import SmallImages

__all__ = [
    "CIFAR_AUGMENT",
    "CIFAR_MMRAZOR_AUGMENT",
    "DATASETS",
    "FASHION_AUGMENT",
    "Augment",
    "Batch",
    "DatasetInfo",
    "DatasetStatus",
    "ImageData",
    "ImageFolders",
    "ResizedCrop",
    "SmallImages",
    "crop_and_flip",
    "data_status",
    "image_folder",
    "load_data",
    "normalise",
    "prepare",
]
