"""The registry of data sets: what there is, where it was found, and how it is opened."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from distill_lib import paths
from distill_lib.data import fashion
from distill_lib.data.annotated_sets import BCCD, CAMVID, VOC_BOXES, VOC_MASKS
from distill_lib.data.augment import CIFAR_AUGMENT, FASHION_AUGMENT, Augment
from distill_lib.data.batching import ImageData
from distill_lib.data.boxes import BoxAugment
from distill_lib.data.cifar import CIFAR10, CIFAR100, Cifar
from distill_lib.data.content import Content
from distill_lib.data.folder_set import FolderSet
from distill_lib.data.image_folders import ResizedCrop
from distill_lib.data.imagenet import IMAGENET, IMAGENETTE, OWN
from distill_lib.data.masks import MaskAugment
from distill_lib.data.shapes import DRAWN_BOXES, DRAWN_MASKS, NUM_TEST, NUM_TRAIN, SIZE, DrawnSet
from distill_lib.data.small_images import SmallImages
from distill_lib.errors import DataError, DistillError, unknown_name

AnyAugment = Augment | ResizedCrop | MaskAugment | BoxAugment


class DatasetStatus(NamedTuple):
    """A row of `python -m distill_lib data`.

    Attributes:
        name: what `load_data` calls the set.
        found: whether `load_data` would succeed without a download.
        where: where it was found, or the ways to get it.
        size: how many images of which size in how many classes.
    """

    name: str
    found: bool
    where: str
    size: str


@dataclass(frozen=True)
class DatasetInfo:
    """A data set that `load_data` knows.

    Attributes:
        name: its key in `DATASETS`.
        num_classes: K.
        image_size: height and width of a batch's images, unless others are asked for.
        num_train, num_test: images of each split.
        augment: crop, flip and normalisation unless others are asked for.
        source: reads a small set whole, its argument says whether a download is allowed; or opens
            and loads another one.
        locate: (found, where), without reading images.
    """

    name: str
    num_classes: int
    image_size: int
    num_train: int
    num_test: int
    augment: AnyAugment
    source: Callable[[bool], Content] | FolderSet | DrawnSet
    locate: Callable[[], tuple[bool, str]]
    classes: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """What its labels are for, a name in `TASKS`."""
        return {MaskAugment: "segmentation", BoxAugment: "detection"}.get(
            type(self.augment), "classification"
        )


def load_data(
    name: str,
    *,
    augment: AnyAugment | None = None,
    device: torch.device | str = "cpu",
    train_limit: int | None = None,
    image_size: int | None = None,
    download: bool = False,
) -> ImageData:
    """Load a data set by its name in `DATASETS`, or a folder of your own.

    Args:
        name: a key of `DATASETS`, or "folder:<path>" with train/ and val/ in ImageNet's layout.
        augment: crop, flip and normalisation; the set's own unless given.
        device: where images and labels live, or are put batch by batch.
        train_limit: train on this many samples only: the first of each class, equally many; of
            masks and boxes, the first.
        image_size: height and width, where images are files or drawn; the set's own unless given.
        download: fetch the set if it is not on this machine.
    Raises:
        DistillError: no set has this name, or an argument does not fit it.
        DataError: the set is not on this machine, or its files are damaged.
    """
    if name.startswith(OWN):
        info = DATASETS[IMAGENET.name]
        folder = Path(name.removeprefix(OWN))
    else:
        info = dataset_info(name)
        folder = None if callable(info.source) else info.source.open(download)
    augment = info.augment if augment is None else augment
    if type(augment) is not type(info.augment):
        raise DistillError(
            f"data set {name!r}: augment is {augment}.\n"
            f"  Expected {type(info.augment).__name__}(...)."
        )
    if callable(info.source):
        content = info.source(download)
        return SmallImages(
            name,
            info.classes,
            train=content.train,
            test=content.test,
            augment=augment,
            device=device,
            train_limit=train_limit,
            sha256=content.sha256,
        )
    return info.source.load(
        name,
        folder,
        image_size=image_size or info.image_size,
        augment=augment,
        device=device,
        train_limit=train_limit,
    )


def prepare(name: str, download: bool = False) -> None:
    """Find, check and decode or unpack a set once, so that the next `load_data` is quick.

    Raises:
        DistillError: no set has this name.
        DataError: the set is not on this machine, or its files are damaged.
    """
    source = dataset_info(name).source
    source(download) if callable(source) else source.open(download)


def check_files(name: str) -> Iterator[tuple[str, str | None]]:
    """Open every file of a set.

    Yields:
        (the file, what is odd in it, why it is refused, or None); nothing for a set in memory.
    Raises:
        DistillError: no set has this name.
        DataError: the set is not on this machine, or its files are damaged.
    """
    if name.startswith(OWN):
        folder = Path(name.removeprefix(OWN))
        if not folder.is_dir():
            raise DataError(f"{folder} is no folder; expected one with train/ and val/.")
        yield from IMAGENET.check(folder)
    elif isinstance(source := dataset_info(name).source, FolderSet):
        yield from source.check(source.open())


def dataset_info(name: str) -> DatasetInfo:
    """Look a set up.

    Raises:
        DistillError: no set has this name; the message has the nearest ones.
    """
    if name not in DATASETS:
        raise unknown_name("data set", name, DATASETS)
    return DATASETS[name]


def data_status() -> list[DatasetStatus]:
    """Which sets are on this machine, where, and how to get the others. Reads no images."""
    return [
        DatasetStatus(
            info.name,
            *info.locate(),
            f"{info.num_train:,} + {info.num_test:,} images of "
            f"{info.image_size}x{info.image_size}, {info.num_classes} classes",
        )
        for info in DATASETS.values()
    ]


def _load_fashion(download: bool) -> Content:
    return fashion.read_fashion(paths.data_dir() / fashion.FILE_NAME)


def _locate_fashion() -> tuple[bool, str]:
    path = paths.data_dir() / fashion.FILE_NAME
    return path.is_file(), str(path)


def _info(
    source: FolderSet | DrawnSet,
    num_classes: int,
    image_size: int,
    num_train: int,
    num_test: int,
    augment: AnyAugment,
) -> DatasetInfo:
    return DatasetInfo(
        source.name,
        num_classes,
        image_size,
        num_train,
        num_test,
        augment,
        source=source,
        locate=source.locate,
    )


def _cifar(cifar: Cifar) -> DatasetInfo:
    return DatasetInfo(
        name=cifar.name,
        num_classes=len(cifar.classes),
        image_size=32,
        num_train=50_000,
        num_test=10_000,
        augment=CIFAR_AUGMENT,
        source=cifar.load,
        locate=cifar.locate,
        classes=cifar.classes,
    )


DATASETS: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo(
            name="fashion",
            num_classes=len(fashion.CLASSES),
            image_size=32,
            num_train=10_000,
            num_test=2_000,
            augment=FASHION_AUGMENT,
            source=_load_fashion,
            locate=_locate_fashion,
            classes=fashion.CLASSES,
        ),
        _cifar(CIFAR10),
        _cifar(CIFAR100),
        # source, classes, size, images to train on and to test on, augmentation
        _info(IMAGENETTE, 10, 64, 9_469, 3_925, ResizedCrop()),
        _info(IMAGENET, 1_000, 224, 1_281_167, 50_000, ResizedCrop()),
        _info(DRAWN_MASKS, 5, SIZE, NUM_TRAIN, NUM_TEST, MaskAugment()),
        _info(DRAWN_BOXES, 4, SIZE, NUM_TRAIN, NUM_TEST, BoxAugment(zoom_out=1.5)),
        _info(CAMVID, 11, 176, 367, 233, MaskAugment()),
        _info(VOC_MASKS, 21, 512, 10_582, 1_449, MaskAugment()),
        # Under a microscope all cells are of one size: zoomed out less than in photographs.
        _info(BCCD, 3, 300, 292, 72, BoxAugment(zoom_out=2.0)),
        _info(VOC_BOXES, 20, 300, 16_551, 4_952, BoxAugment()),
    )
}
