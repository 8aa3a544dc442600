"""The embedded set: whole, balanced, and refused when a byte of it is not what was committed."""

import re

import pytest
import torch

from distill_lib.data import FASHION_AUGMENT, load_data
from distill_lib.data.fashion import FILE_NAME, read_fashion
from distill_lib.errors import DataError
from distill_lib.paths import data_dir


@pytest.fixture(scope="module")
def fashion():
    return load_data("fashion")


def test_sizes_and_balance(fashion):
    assert fashion.train_images.shape == (10_000, 3, 32, 32)
    assert fashion.test_images.shape == (2_000, 3, 32, 32)
    assert torch.bincount(fashion.train_labels).tolist() == [1_000] * 10
    assert torch.bincount(fashion.test_labels).tolist() == [200] * 10
    assert (fashion.image_size, fashion.num_classes) == (32, 10)


def test_the_frame_is_black_and_the_channels_are_equal(fashion):
    images = fashion.train_images
    assert not images[:, :, :2].any() and not images[:, :, -2:].any()
    assert not images[..., :2].any() and not images[..., -2:].any()
    assert torch.equal(images[:, 0], images[:, 1]) and torch.equal(images[:, 0], images[:, 2])


def test_the_normalisation_is_that_of_the_training_images(fashion):
    pixels = fashion.train_images[:, 0].double()
    assert FASHION_AUGMENT.mean == pytest.approx([pixels.mean().item()] * 3, abs=1e-3)
    assert FASHION_AUGMENT.std == pytest.approx([pixels.std().item()] * 3, abs=1e-3)


def test_a_working_directory_elsewhere_does_not_matter(fashion, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_data("fashion", train_limit=100).digest != load_data("fashion").digest
    assert load_data("fashion").digest == fashion.digest


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    content = (data_dir() / FILE_NAME).read_bytes()
    middle = len(content) // 2
    damaged = {
        "empty": b"",
        "cut": content[:middle],
        "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "text": b"version https://git-lfs.github.com/spec/v1\n",
    }[damage]
    path = tmp_path / FILE_NAME
    path.write_bytes(damaged)
    with pytest.raises(DataError) as caught:
        read_fashion(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is damaged")
    assert f"got      {len(damaged)} bytes" in message
    assert "git checkout" in message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=re.escape(str(tmp_path / FILE_NAME))):
        read_fashion(tmp_path / FILE_NAME)
