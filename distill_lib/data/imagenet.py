"""ImageNet and its ten-class excerpt Imagenette: where their folders are, or how to get them.

ImageNet: Russakovsky et al., 2015. Imagenette: Howard, 2019, ten easy classes of it. Both are read
by `ImageFolders`, as is any folder of yours in the same layout: `folder:<path>`.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from distill_lib import paths
from distill_lib.data.archives import unpack
from distill_lib.errors import DataError

OWN = "folder:"
"""What the name of a data set begins with that is a folder of the user's own."""
MAX_MEMBERS, MAX_BYTES = 50_000, 5_000_000_000


@dataclass(frozen=True)
class FolderSet:
    """A data set in ImageNet's layout.

    Attributes:
        name: what `load_data` calls it.
        folders: names of its folder below DISTILL_DATA or the cache, the first that is there.
        archives: one archive of each split, whose members are `<top>/<split>/<class>/<file>`.
        how: the ways to get it, one a line.
    """

    name: str
    folders: tuple[str, ...]
    archives: dict[str, str]
    how: tuple[str, ...]

    def find(self) -> Path | None:
        """The folder with train/ and val/, if it is there."""
        for root in _roots():
            for folder in self.folders:
                if all((root / folder / split).is_dir() for split in ("train", "val")):
                    return root / folder
        return None

    def find_archives(self) -> dict[str, Path] | None:
        """Split -> archive, if all of them are there."""
        for root in _roots():
            found = {split: root / file for split, file in self.archives.items()}
            if found and all(path.is_file() for path in found.values()):
                return found
        return None

    def locate(self) -> tuple[bool, str]:
        """Whether the set is on this machine, and where, or the ways to get it."""
        folder = self.find()
        if folder is not None:
            return True, str(folder)
        archives = self.find_archives()
        if archives is not None:
            where = ", ".join(str(path) for path in archives.values())
            return True, f"{where} (unpacked at the first use)"
        return False, "\n".join(f"  - {way}" for way in self.how)

    def open(self, download: bool = False) -> Path:
        """The folder; archives are unpacked into the cache first.

        Raises:
            DataError: the set is nowhere to be found, or an archive is damaged.
        """
        folder = self.find()
        if folder is not None:
            return folder
        archives = self.find_archives()
        if archives is not None:
            return self._unpack(archives)
        if download and self.name == "imagenette":
            return _download_imagenette()
        raise DataError(f"{self.name} is not on this machine. Either\n{self.locate()[1]}")

    def _unpack(self, archives: dict[str, Path]) -> Path:
        folder = paths.cache_dir() / self.folders[0]
        folder.mkdir(parents=True, exist_ok=True)
        for split, archive in archives.items():
            if (folder / split).is_dir():
                continue
            whole = folder / f"{split}-unpacked"
            shutil.rmtree(whole, ignore_errors=True)
            unpack(archive, whole, max_members=MAX_MEMBERS, max_bytes=MAX_BYTES)
            found = next((path for path in whole.glob(f"*/{split}") if path.is_dir()), None)
            if found is None:
                raise DataError(
                    f"{archive} holds no folder <top>/{split}.\n  Is it the right archive?"
                )
            found.rename(folder / split)
            shutil.rmtree(whole)
        return folder


def _roots() -> list[Path]:
    return [root for root in (paths.extra_data_root(), paths.cache_dir()) if root is not None]


def _download_imagenette() -> Path:
    from torchvision.datasets import Imagenette

    paths.cache_dir().mkdir(parents=True, exist_ok=True)
    Imagenette(paths.cache_dir(), size="160px", download=True)
    return paths.cache_dir() / "imagenette2-160"


IMAGENET = FolderSet(
    name="imagenet",
    folders=("imagenet", "ILSVRC2012"),
    archives={},
    how=(
        "get ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and the devkit from image-net.org "
        "(an account is needed), and let torchvision.datasets.ImageNet unpack them",
        "then let DISTILL_DATA name the folder above imagenet/{train,val}/<class>/",
    ),
)
IMAGENETTE = FolderSet(
    name="imagenette",
    folders=("imagenette", "imagenette2", "imagenette2-320", "imagenette2-160"),
    archives={split: f"imagenette144-{split}.tar.xz" for split in ("train", "val")},
    how=(
        "download it (99 MB): python -m distill_lib data --download imagenette",
        "let DISTILL_DATA name a folder with imagenette2/, imagenette2-320/ or imagenette2-160/",
        "or with imagenette144-train.tar.xz and imagenette144-val.tar.xz",
    ),
)
