"""The cache is either whole and right, or it is noticed."""

import os

import pytest
import torch

from distill_lib.data.cache import read_cache, write_cache
from distill_lib.data.content import Content, Split, content_sha256
from distill_lib.errors import DataError

from .helpers import random_split


@pytest.fixture
def content():
    train, test = Split(*random_split(20)), Split(*random_split(10, seed=1))
    return Content(train, test, content_sha256(train, test))


def test_what_is_written_is_read(tmp_path, content):
    path = tmp_path / "new folder" / "set.safetensors"
    write_cache(path, content, source="a test")
    found = read_cache(path)
    assert found.sha256 == content.sha256
    for left, right in zip(found[:2], content[:2], strict=True):
        assert torch.equal(left.images, right.images)
        assert torch.equal(left.labels, right.labels)
    assert list(path.parent.iterdir()) == [path]


def test_every_cut_and_flipped_bit_of_the_content_is_noticed(tmp_path, content):
    path = tmp_path / "set.safetensors"
    write_cache(path, content, source="a test")
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="set.safetensors"):
            read_cache(path)
    for position in range(len(whole) - 1, len(whole) - 5_000, -97):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        with pytest.raises(DataError, match="is damaged"):
            read_cache(path)


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, content, monkeypatch, failing):
    path = tmp_path / "set.safetensors"
    write_cache(path, content, source="a test")
    before = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(DataError, match="No space left on device") as caught:
        write_cache(path, content, source="another test")
    assert "DISTILL_CACHE" in str(caught.value)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
