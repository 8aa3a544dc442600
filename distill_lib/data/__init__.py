"""Data: small images in memory, large ones in folders, some with masks or boxes.

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
from distill_lib.data.batching import VOID, Batch, ImageData
from distill_lib.data.boxes import BoxAugment
from distill_lib.data.image_folders import ImageFolders, ResizedCrop
from distill_lib.data.masks import MaskAugment
from distill_lib.data.registry import (
    DATASETS,
    DatasetInfo,
    DatasetStatus,
    check_files,
    data_status,
    load_data,
    prepare,
)
from distill_lib.data.small_images import SmallImages
