"""What a hostile or damaged archive can do: nothing."""

import lzma
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from distill_lib.data.archives import read_members, unpack
from distill_lib.errors import DataError

from .helpers import odd_member, write_tar

FILES = {"set/a.txt": b"a" * 700, "set/b.txt": b"b" * 512}
NAMES = re.compile(r"set/(\w+)\.txt")
HOSTILE = {
    "symlink": odd_member("set/c.txt", tarfile.SYMTYPE, "/etc/hostname"),
    "hard link": odd_member("set/c.txt", tarfile.LNKTYPE, "set/a.txt"),
    "device": odd_member("set/c.txt", tarfile.CHRTYPE),
    "pipe": odd_member("set/c.txt", tarfile.FIFOTYPE),
    "parent": tarfile.TarInfo("../c.txt"),
    "hidden parent": tarfile.TarInfo("set/../../c.txt"),
    "absolute": tarfile.TarInfo("/c.txt"),
}


def read_all(archive, max_bytes=1_000):
    return {
        match[1]: content for match, content in read_members(archive, NAMES, max_bytes=max_bytes)
    }


def unpack_to(folder, archive, *, max_members=10, max_bytes=10_000):
    unpack(archive, folder, max_members=max_members, max_bytes=max_bytes)


def files_below(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])
def test_both_ways_give_the_files(tmp_path, suffix):
    archive = write_tar(tmp_path / f"set.tar.{suffix}", FILES, odd_member("set", tarfile.DIRTYPE))
    assert read_all(archive) == {"a": FILES["set/a.txt"], "b": FILES["set/b.txt"]}
    unpack_to(tmp_path / "out", archive)
    assert (tmp_path / "out/set/a.txt").read_bytes() == FILES["set/a.txt"]
    assert files_below(tmp_path / "out") == ["set/a.txt", "set/b.txt"]


def test_the_folder_may_be_named_from_below(tmp_path, monkeypatch):
    archive = write_tar(tmp_path / "set.tar.gz", FILES)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    unpack_to(Path("../out"), archive)
    assert files_below(tmp_path / "out") == ["set/a.txt", "set/b.txt"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_members_are_refused_by_name(tmp_path, kind):
    inner = tmp_path / "inner"
    inner.mkdir()
    archive = write_tar(inner / "set.tar.gz", FILES, HOSTILE[kind])
    name = re.escape(repr(HOSTILE[kind].name))
    with pytest.raises(DataError, match=name):
        unpack_to(inner / "out", archive)
    with pytest.raises(DataError, match=name):
        read_all(archive)
    assert files_below(tmp_path) == ["inner/set.tar.gz"]
    assert list(inner.iterdir()) == [archive]


def test_more_than_was_agreed_is_refused(tmp_path):
    archive = write_tar(tmp_path / "set.tar.gz", FILES)
    with pytest.raises(DataError, match="over 1 members"):
        unpack_to(tmp_path / "out", archive, max_members=1)
    with pytest.raises(DataError, match="1,000 bytes"):
        unpack_to(tmp_path / "out", archive, max_bytes=1_000)
    with pytest.raises(DataError, match="700 bytes"):
        read_all(archive, max_bytes=600)
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize("suffix", ["gz", "xz"])
def test_an_archive_cut_anywhere_is_refused(tmp_path, suffix):
    whole = write_tar(tmp_path / f"whole.tar.{suffix}", FILES).read_bytes()
    cut = tmp_path / f"cut.tar.{suffix}"
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(DataError, match=f"cut.tar.{suffix}"):
            read_all(cut)
        with pytest.raises(DataError, match=f"cut.tar.{suffix}"):
            unpack_to(tmp_path / "out", cut)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", ["gz", "xz"])
def test_a_flipped_bit_never_changes_what_is_unpacked(tmp_path, suffix):
    whole = write_tar(tmp_path / f"whole.tar.{suffix}", FILES).read_bytes()
    flipped = tmp_path / f"flipped.tar.{suffix}"
    refused = 0
    for position in range(0, len(whole), 5):
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        flipped.write_bytes(changed)
        try:
            content = read_all(flipped)
        except DataError:
            refused += 1
        else:
            # Bits of gzip's header (time, name of the file) carry no content.
            assert content == {"a": FILES["set/a.txt"], "b": FILES["set/b.txt"]}
    assert refused > len(whole) / 5 * 0.5


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path):
    archive = write_tar(tmp_path / "set.tar.xz", FILES)
    with tarfile.open(archive) as tar:
        second = tar.getmembers()[1].offset
    content = bytearray(lzma.decompress(archive.read_bytes()))
    content[second + 3] ^= 1
    archive.write_bytes(lzma.compress(bytes(content)))
    with pytest.raises(DataError, match="set.tar.xz"):
        read_all(archive)


def test_a_missing_archive_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.tar.gz", tmp_path):
        with pytest.raises(DataError, match=re.escape(str(path))):
            read_all(path)


def test_a_full_disk_is_not_called_a_damaged_archive(tmp_path, monkeypatch):
    archive = write_tar(tmp_path / "set.tar.gz", FILES)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(DataError, match=r"No space left on device\."):
        unpack_to(tmp_path / "out", archive)
    assert list(tmp_path.iterdir()) == [archive]


def test_an_uncompressed_tar_of_nothing(tmp_path):
    empty = tmp_path / "empty.tar"
    with tarfile.open(empty, "w"):
        pass
    assert read_all(empty) == {}
    empty.write_bytes(b"")
    with pytest.raises(DataError, match="empty.tar"):
        read_all(empty)
