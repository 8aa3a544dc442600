"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): found, read and checked once, then kept as one file.

Whatever form they are found in, the images end up in the same order, that of the SHA-256 of their
pixels within each class. So a sample's index, a subset and the digest of the data mean the same on
every machine.
"""

import functools
import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from distill_lib import paths
from distill_lib.data import cifar_batches
from distill_lib.data.cache import read_cache, write_cache
from distill_lib.data.cifar_images import ARCHIVES, read_image_archives
from distill_lib.data.content import Content, Split, content_sha256
from distill_lib.errors import DataError

if TYPE_CHECKING:
    import torchvision


class Source(NamedTuple):
    """Something that a set can be read from: where it is, and how."""

    where: Path
    read: Callable[[], tuple[Split, Split]]
    missing: tuple[str, ...] = ()
    """Files that belong to it and are not there."""


@dataclass(frozen=True)
class Cifar:
    """One of the two sets.

    Attributes:
        name: "cifar10" or "cifar100".
        classes: in the order of torchvision's labels.
        folder, archive: what torchvision unpacks and downloads.
    """

    name: str
    classes: tuple[str, ...]
    folder: str
    archive: str

    @property
    def cache_file(self) -> Path:
        """Where the decoded set is kept."""
        return paths.cache_dir() / f"{self.name}.safetensors"

    def torchvision(self) -> type["torchvision.datasets.CIFAR10"]:
        """The class of torchvision that knows address, layout and checksums."""
        from torchvision import datasets  # Here, since it takes a second to import.

        return {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[self.name]

    def find_source(self) -> Source | None:
        """The first of torchvision's folder, its archive and the image archives that is there."""
        roots = (paths.extra_data_root(), paths.cache_dir(), paths.data_dir())
        for root in filter(None, roots):
            if (root / self.folder).is_dir():
                return Source(root / self.folder, functools.partial(self._read_folder, root))
            if (root / self.archive).is_file():
                return Source(
                    root / self.archive, functools.partial(self._read_archive, root / self.archive)
                )
            if self.name == "cifar10" and (root / ARCHIVES["test"][0]).is_file():
                return Source(
                    root / "cifar10-*.tar.xz",
                    functools.partial(self._read_images, root),
                    tuple(file for file in ARCHIVES["train"] if not (root / file).is_file()),
                )
        return None

    def how_to_get(self) -> str:
        """The ways to provide the set, one a line."""
        ways = [
            f"download it: python -m distill_lib data --download {self.name}, "
            f'or load_data("{self.name}", download=True)',
            f"let DISTILL_DATA name a folder with {self.folder}/ or {self.archive} (torchvision's)",
        ]
        if self.name == "cifar10":
            ways.append(
                f"or with the image archives {', '.join(ARCHIVES['train'])} and "
                f"{ARCHIVES['test'][0]}"
            )
        return "\n".join(f"  - {way}" for way in ways)

    def locate(self) -> tuple[bool, str]:
        """Whether the set is on this machine, and where, or the ways to get it."""
        if self.cache_file.is_file():
            return True, str(self.cache_file)
        source = self.find_source()
        if source is None:
            return False, self.how_to_get()
        if source.missing:
            return False, f"{source.where} lacks {', '.join(source.missing)}\n{self.how_to_get()}"
        return True, f"{source.where} (decoded at the first use)"

    def load(self, download: bool = False) -> Content:
        """Read the set, from the cache if it is there and sound, else from a source.

        Raises:
            DataError: the set is nowhere to be found, or what was found is damaged.
        """
        if self.cache_file.is_file():
            try:
                return read_cache(self.cache_file)
            except DataError as error:
                warnings.warn(f"{error}\n  Making it again now.", stacklevel=2)
        source = self.find_source()
        if source is None and not download:
            raise DataError(f"{self.name} is not on this machine. Either\n{self.how_to_get()}")
        if source is None:
            train, test = cifar_batches.download(self.torchvision())
            where = self.torchvision().url
        else:
            train, test = source.read()
            where = source.where.name
        train, test = _in_content_order(train), _in_content_order(test)
        content = Content(train, test, content_sha256(train, test))
        write_cache(self.cache_file, content, source=where)
        return content

    def _read_folder(self, root: Path) -> tuple[Split, Split]:
        return cifar_batches.read_folder(root, self.torchvision())

    def _read_archive(self, archive: Path) -> tuple[Split, Split]:
        return cifar_batches.read_archive(archive, self.torchvision())

    def _read_images(self, root: Path) -> tuple[Split, Split]:
        train, test = (read_image_archives(root, split, self.classes) for split in ARCHIVES)
        return train, test


CIFAR10 = Cifar(
    name="cifar10",
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    folder="cifar-10-batches-py",
    archive="cifar-10-python.tar.gz",
)
CIFAR100 = Cifar(
    name="cifar100",
    classes=tuple(
        """
        apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
        butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach
        couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster
        house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
        motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
        pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket
        rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
        sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip
        turtle wardrobe whale willow_tree wolf woman worm
        """.split()
    ),
    folder="cifar-100-python",
    archive="cifar-100-python.tar.gz",
)


def _in_content_order(split: Split) -> Split:
    """Sort by class, then by the SHA-256 of the pixels: a shuffle that every machine agrees on."""
    keys = [
        (label, hashlib.sha256(image.numpy()).digest())
        for image, label in zip(split.images, split.labels.tolist(), strict=True)
    ]
    order = torch.tensor(sorted(range(len(keys)), key=keys.__getitem__))
    return Split(split.images[order], split.labels[order])
