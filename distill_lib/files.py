"""Files that are whole or absent: written beside their name, flushed, then moved into place."""

import errno
import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from distill_lib.errors import DistillError


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """`replace_file`, with an error that says what a run needs.

    Raises:
        DistillError: the disk is full or the folder cannot be written; `path` is as before.
    """
    try:
        replace_file(path, write)
    except OSError as error:
        raise write_error(path, error) from error


def replace_file(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let `write` fill a temporary file in the same folder, then move it to `path`.

    Raises:
        OSError: the disk is full or the folder cannot be written; `path` is as before.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as handle:
            write(handle)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_temporaries(folder: Path) -> None:
    """Remove what `replace_file` left in a folder when its process was killed."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def write_json(path: Path, data: object) -> None:
    """Write indented JSON atomically."""
    text = as_json(data, indent=1) + "\n"
    write_atomically(path, lambda handle: handle.write(text.encode()))


def as_json(data: object, indent: int | None = None) -> str:
    """JSON with null for what it has no number for: NaN and the infinities."""
    return json.dumps(_finite(data), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_error(path: Path, error: OSError) -> DistillError:
    """What to say when a file could not be written."""
    if error.errno == errno.ENOSPC:
        folder = next(p for p in path.parents if p.exists())
        free = shutil.disk_usage(folder).free
        return DistillError(
            f"disk full while writing {path}: {free:,} bytes are free there.\n"
            "  What was written before is intact. Make room and start again: the run resumes."
        )
    return DistillError(
        f"cannot write {path}: {error.strerror or error}.\n"
        "  Choose a folder that you may write: --out DIR."
    )


def sync_folder(folder: Path) -> None:
    """Make a rename durable; Windows needs and allows no such thing."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
