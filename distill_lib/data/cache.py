"""A decoded data set as one safetensors file: written whole or not at all, checked when read."""

from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open

from distill_lib.data.content import Content, Split, content_sha256
from distill_lib.errors import DataError
from distill_lib.files import replace_file


def write_cache(path: Path, content: Content, *, source: str) -> None:
    """Write a data set, whole or not at all.

    Args:
        path: the file, replaced if it exists.
        content: both splits and their digest.
        source: where the data came from, kept for the curious.
    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    tensors = {
        "train_images": content.train.images,
        "train_labels": content.train.labels,
        "test_images": content.test.images,
        "test_labels": content.test.labels,
    }
    packed = safetensors.torch.save(tensors, {"source": source, "sha256": content.sha256})
    try:
        replace_file(path, lambda file: file.write(packed))
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error.strerror}.\n"
            f"  It needs {len(packed):,} bytes.\n"
            "  Make room, or let DISTILL_CACHE name another folder."
        ) from error


def read_cache(path: Path) -> Content:
    """Read a data set and compare it with its digest.

    Raises:
        DataError: the file is cut, damaged or not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            recorded = (file.metadata() or {}).get("sha256")
            train, test = (
                Split(file.get_tensor(f"{split}_images"), file.get_tensor(f"{split}_labels"))
                for split in ("train", "test")
            )
    except (SafetensorError, OSError) as error:
        raise DataError(
            f"{path} cannot be read: {error}.\n  Delete it: it is made again."
        ) from error
    sha256 = content_sha256(train, test)
    if sha256 != recorded:
        raise DataError(
            f"{path} is damaged.\n"
            f"  Recorded SHA-256 {recorded}\n  got              {sha256}\n"
            "  Delete it: it is made again."
        )
    return Content(train, test, sha256)
