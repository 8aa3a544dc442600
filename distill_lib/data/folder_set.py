"""Data sets that are folders: where they are, in which archives, or how to get them."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from distill_lib import paths
from distill_lib.data.archives import unpack
from distill_lib.data.batching import ImageData
from distill_lib.data.check_images import odd_images
from distill_lib.data.image_folders import ImageFolders
from distill_lib.errors import DataError

MAX_MEMBERS, MAX_BYTES = 50_000, 5_000_000_000


@dataclass(frozen=True)
class FolderSet:
    """A data set in ImageNet's layout, or, in a subclass, in another.

    Attributes:
        name: what `load_data` calls it.
        folders: names of its folder below DISTILL_DATA or the cache, the first that is there.
        archives: part of the folder -> the archive with it, whose members are `<top>/<part>/...`;
            the part "" is the whole folder.
        how: the ways to get it, one a line.
        parts: folders below it that show that it is there.
        download: fetches it and returns its folder, where that is possible.
    """

    name: str
    folders: tuple[str, ...]
    archives: dict[str, str]
    how: tuple[str, ...]
    parts: tuple[str, ...] = ("train", "val")
    download: Callable[[], Path] | None = None

    def find(self) -> Path | None:
        """The folder with all its parts, if it is there."""
        for root in _roots():
            for folder in self.folders:
                if all((root / folder / part).is_dir() for part in self.parts):
                    return root / folder
        return None

    def find_archives(self) -> dict[str, Path] | None:
        """Part -> archive, if all of them are there."""
        for root in _roots():
            found = {part: root / file for part, file in self.archives.items()}
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
        if download and self.download is not None:
            return self.download()
        raise DataError(f"{self.name} is not on this machine. Either\n{self.locate()[1]}")

    def load(self, name: str, folder: Path, **options) -> ImageData:
        """The data set in `folder`; options as `ImageFolders` has them."""
        return ImageFolders(name, folder, **options)

    def check(self, folder: Path) -> Iterator[tuple[str, str | None]]:
        """Open every file: (its name below the folder, what is odd in it or None)."""
        return odd_images(folder)

    def _unpack(self, archives: dict[str, Path]) -> Path:
        folder = paths.cache_dir() / self.folders[0]
        for part, archive in archives.items():
            target = folder / part
            if part and target.is_dir():
                continue
            if target.exists():
                raise DataError(
                    f"{target} lacks a part of {', '.join(self.parts)}.\n"
                    f"  Delete it, and {archive.name} is unpacked anew."
                )
            whole = target.with_name(f"{target.name}-unpacked")
            shutil.rmtree(whole, ignore_errors=True)
            try:
                unpack(archive, whole, max_members=MAX_MEMBERS, max_bytes=MAX_BYTES)
                self._folder_in(whole, part, archive).rename(target)
            finally:
                shutil.rmtree(whole, ignore_errors=True)
        return folder

    def _folder_in(self, whole: Path, part: str, archive: Path) -> Path:
        found = next((p for p in whole.glob(f"*/{part}".rstrip("/")) if p.is_dir()), None)
        if found is None or not (part or all((found / p).is_dir() for p in self.parts)):
            wanted = part or f"{{{','.join(self.parts)}}}"
            raise DataError(
                f"{archive} holds no folder <top>/{wanted}.\n  Is it the right archive?"
            )
        return found


def _roots() -> list[Path]:
    return [root for root in (paths.extra_data_root(), paths.cache_dir()) if root is not None]
