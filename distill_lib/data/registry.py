"""The registry of small-image sets: what there is, and where it was found."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from distill_lib import paths
from distill_lib.data import fashion
from distill_lib.data.augment import CIFAR_AUGMENT, FASHION_AUGMENT, Augment
from distill_lib.data.cifar import CIFAR10, CIFAR100, Cifar
from distill_lib.data.content import Content
from distill_lib.errors import unknown_name


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
        description: one line.
        classes: names, in the order of the labels.
        image_size: height and width of an image.
        num_train, num_test: images of each split.
        default_augment: crop, flip and normalisation unless others are asked for.
        loader: reads the set; its argument says whether a download is allowed.
        locate: (found, where), without reading images.
    """

    name: str
    description: str
    classes: tuple[str, ...]
    image_size: int
    num_train: int
    num_test: int
    default_augment: Augment
    loader: Callable[[bool], Content]
    locate: Callable[[], tuple[bool, str]]


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
            f"{info.image_size}x{info.image_size}, {len(info.classes)} classes",
        )
        for info in DATASETS.values()
    ]


def _load_fashion(download: bool) -> Content:
    return fashion.read_fashion(paths.data_dir() / fashion.FILE_NAME)


def _locate_fashion() -> tuple[bool, str]:
    path = paths.data_dir() / fashion.FILE_NAME
    return path.is_file(), str(path)


def _cifar(cifar: Cifar, description: str) -> DatasetInfo:
    return DatasetInfo(
        name=cifar.name,
        description=description,
        classes=cifar.classes,
        image_size=32,
        num_train=50_000,
        num_test=10_000,
        default_augment=CIFAR_AUGMENT,
        loader=cifar.load,
        locate=cifar.locate,
    )


DATASETS: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo(
            name="fashion",
            description="Fashion-MNIST, a balanced sixth of it, in the repository",
            classes=fashion.CLASSES,
            image_size=32,
            num_train=10_000,
            num_test=2_000,
            default_augment=FASHION_AUGMENT,
            loader=_load_fashion,
            locate=_locate_fashion,
        ),
        _cifar(CIFAR10, "CIFAR-10, 10 classes of things and animals"),
        _cifar(CIFAR100, "CIFAR-100, 100 finer classes"),
    )
}
