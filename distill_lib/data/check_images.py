"""Every file of a data set opened once, before a long run meets the bad ones."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from distill_lib.data.image_files import read_rgb
from distill_lib.errors import DataError

REFUSED = "refused"


def odd_images(folder: Path, workers: int | None = None) -> Iterator[tuple[str, str | None]]:
    """Decode all files below a folder, in order of their names.

    Args:
        folder: anything with image files below it.
        workers: processes; one for each core if not given.
    Yields:
        (name below the folder, what is odd in it or None), one for each file.
    """
    files = sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)
    return zip(
        (os.path.relpath(file, folder) for file in files),
        what_is_odd(_read, files, workers),
        strict=True,
    )


def what_is_odd(
    read: Callable, items: Sequence, workers: int | None = None
) -> Iterator[str | None]:
    """Read every item, in worker processes.

    Args:
        read: item -> what is odd in it or None; may raise a DataError.
        items: what to read.
        workers: processes; one for each core if not given.
    Yields:
        what `read` returned, or `"refused: <why>"`.
    """
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_Reader(read), items, chunksize=64)


class _Reader:
    def __init__(self, read: Callable) -> None:
        self.read = read

    def __call__(self, item) -> str | None:
        try:
            return self.read(item)
        except DataError as error:
            return f"{REFUSED}: {error}"


def _read(path: str) -> str | None:
    return read_rgb(path)[1]
