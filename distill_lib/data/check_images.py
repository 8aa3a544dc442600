"""Every file of an image folder opened once, before a long run meets the bad ones."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from distill_lib.data.image_files import read_rgb


def odd_images(folder: Path, workers: int | None = None) -> Iterator[tuple[str, str | None]]:
    """Decode all files below a folder, in order of their names.

    Args:
        folder: anything with image files below it.
        workers: processes; one for each core if not given.
    Yields:
        (name below the folder, what is odd in it or None), one for each file.
    """
    files = sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)
    with ProcessPoolExecutor(workers) as pool:
        for file, what in zip(files, pool.map(_what_is_odd, files, chunksize=64), strict=True):
            yield os.path.relpath(file, folder), what


def _what_is_odd(path: str) -> str | None:
    return read_rgb(path)[1]
