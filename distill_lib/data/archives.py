"""The one place that opens tar archives, but for what torchvision downloads and unpacks by itself.

An archive is a stranger: nothing in it is trusted.

Two ways in: `read_members` reads files out of the stream without writing anything, `unpack` makes a
folder that is either complete or not there.
"""

import lzma
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from distill_lib.errors import DataError

# What tarfile and the decompressors below it raise on a cut or damaged file.
_DAMAGE = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError)


def read_members(
    archive: Path, pattern: re.Pattern[str], *, max_bytes: int
) -> Iterator[tuple[re.Match[str], bytes]]:
    """Read the files of an archive in stored order, nothing written to disk.

    Args:
        archive: a tar file, compressed or not.
        pattern: what every file's whole name has to match.
        max_bytes: the largest size that one file may have.
    Yields:
        The match of a name, and the file's content.
    Raises:
        DataError: the archive is damaged, or holds anything but folders and matching files.
    """
    with _reading(archive) as tar:
        for member in tar:
            if member.isdir():
                continue
            match = pattern.fullmatch(member.name)
            if not member.isreg() or match is None or member.size > max_bytes:
                raise _refused(archive, member, f"files named {pattern.pattern}")
            yield match, tar.extractfile(member).read()


def unpack(archive: Path, folder: Path, *, max_members: int, max_bytes: int) -> None:
    """Unpack an archive to a folder that does not exist yet.

    The files go to a temporary folder beside it, which is renamed when all of them are there.

    Args:
        archive: a tar file, compressed or not.
        folder: what to make; it will hold the archive's top level.
        max_members, max_bytes: the most files and folders, and bytes unpacked, to accept.
    Raises:
        DataError: the archive is damaged or too large, or a member has an absolute path, leads
            out of the folder, or is neither a file nor a folder (a link, a device).
    """
    temporary = None
    try:
        with _reading(archive) as tar:
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            total = 0
            for count, member in enumerate(tar, start=1):
                total += member.size
                if count > max_members or total > max_bytes:
                    raise DataError(
                        f"{archive} holds more than expected: over {max_members:,} members or "
                        f"{max_bytes:,} bytes.\n  Is it the right archive?"
                    )
                path = PurePath(member.name)
                is_inside = not path.anchor and ".." not in path.parts
                if not is_inside or not (member.isreg() or member.isdir()):
                    raise _refused(archive, member, "plain files and folders inside it")
                _write(tar, member, temporary / path)
        temporary.rename(folder)
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """A file's bytes or an empty folder, and nothing else of a member: no owner, mode or link.

    `TarFile.extract` needs `filter="data"` for that, which Python 3.11 has from 3.11.4 on.
    """
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(tar.extractfile(member), file)


@contextmanager
def _reading(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive) as tar:
            yield tar
            _expect_end(tar)
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno:
            where = f" ({error.filename})" if error.filename else ""
            raise DataError(
                f"{archive} cannot be read or unpacked: {error.strerror}{where}.\n"
                "  Check that the file is there, and that the disk has room."
            ) from error
        raise DataError(
            f"{archive} ({archive.stat().st_size:,} bytes) cannot be read to its end: {error}.\n"
            "  It is cut or damaged: delete it and fetch it again."
        ) from error


def _expect_end(tar: tarfile.TarFile) -> None:
    """Raise unless zeros follow: tarfile takes a damaged header, or a cut, for the end.

    Reading on also makes gzip and xz compare the checksums that stand at their own end.
    """
    tar.fileobj.seek(tar.offset)
    zeros = 0
    while chunk := tar.fileobj.read(1 << 20):
        if any(chunk):
            raise tarfile.ReadError(f"damaged header at byte {tar.offset:,}")
        zeros += len(chunk)
    if zeros < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("the end is missing")


def _refused(archive: Path, member: tarfile.TarInfo, expected: str) -> DataError:
    kind = "file" if member.isreg() else "link" if member.issym() or member.islnk() else "device"
    return DataError(
        f"{archive}: refused the {kind} {member.name!r} ({member.size:,} bytes).\n"
        f"  Expected only {expected}.\n"
        "  Nothing of it was kept. Is it the right archive, from a source that you trust?"
    )
