"""CIFAR in its three forms, made small: found, checked, read alike, and kept."""

import functools
import hashlib
import io
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from distill_lib.data import cifar_images, data_status, load_data, prepare
from distill_lib.data.cifar import CIFAR10, CIFAR100
from distill_lib.errors import DataError

from .helpers import odd_member, write_tar

PER_CLASS = {"train": 3, "test": 2}


def md5(content):
    return hashlib.md5(content).hexdigest()


def webp(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True)
    return file.getvalue()


@pytest.fixture(scope="module")
def images():
    """Split name to images (n, 32, 32, 3) and labels, in no order."""
    rng = np.random.default_rng(0)
    splits = {}
    for split, per_class in PER_CLASS.items():
        labels = rng.permutation(np.repeat(np.arange(10), per_class))
        splits[split] = rng.integers(0, 256, (len(labels), 32, 32, 3), dtype=np.uint8), labels
    return splits


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    root = tmp_path / "data root"
    root.mkdir()
    monkeypatch.setenv("DISTILL_DATA", str(root))
    return root


def members(images, split):
    return {
        f"cifar10/{split}/{CIFAR10.classes[label]}/{i:06}.webp": webp(pixels)
        for i, (pixels, label) in enumerate(zip(*images[split], strict=True))
    }


@pytest.fixture
def image_archives(images, data_root, monkeypatch):
    """The four archives; the training images are dealt out to three of them."""
    monkeypatch.setattr(cifar_images, "IMAGES_PER_CLASS", PER_CLASS)
    train = list(members(images, "train").items())
    for i, name in enumerate(cifar_images.ARCHIVES["train"]):
        write_tar(data_root / name, dict(train[i::3]))
    write_tar(data_root / cifar_images.ARCHIVES["test"][0], members(images, "test"))
    return data_root


def batches(images, dataset, label_key):
    """File name to content, as the authors of CIFAR pickle it."""

    def entry(split):
        pixels, labels = images[split]
        return {
            "data": pixels.transpose(0, 3, 1, 2).reshape(len(labels), -1),
            label_key: labels.tolist(),
        }

    train_name, test_name = dataset.train_list[0][0], dataset.test_list[0][0]
    return {
        train_name: pickle.dumps(entry("train")),
        test_name: pickle.dumps(entry("test")),
        dataset.meta["filename"]: pickle.dumps({dataset.meta["key"]: ["not", "used"]}),
    }


def publish(monkeypatch, dataset, files):
    """Make torchvision take these files for the published ones."""
    train_name, test_name = dataset.train_list[0][0], dataset.test_list[0][0]
    monkeypatch.setattr(dataset, "train_list", [[train_name, md5(files[train_name])]])
    monkeypatch.setattr(dataset, "test_list", [[test_name, md5(files[test_name])]])
    meta = dataset.meta | {"md5": md5(files[dataset.meta["filename"]])}
    monkeypatch.setattr(dataset, "meta", meta)


@pytest.fixture
def folder(images, data_root, monkeypatch):
    """torchvision's folder of CIFAR-10."""
    dataset = torchvision.datasets.CIFAR10
    return write_folder(images, dataset, "labels", data_root, monkeypatch)


def write_folder(images, dataset, key, data_root, monkeypatch):
    """The files of torchvision's folder, under checksums of their own."""
    files = batches(images, dataset, key)
    publish(monkeypatch, dataset, files)
    folder = data_root / dataset.base_folder
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def archive(folder, monkeypatch):
    """The published tar.gz of CIFAR-10, and no folder."""
    dataset = torchvision.datasets.CIFAR10
    files = {f"{folder.name}/{path.name}": path.read_bytes() for path in folder.iterdir()}
    path = write_tar(folder.with_name(dataset.filename), files)
    monkeypatch.setattr(dataset, "tgz_md5", md5(path.read_bytes()))
    shutil.rmtree(folder)
    return path


def assert_holds(data, images):
    """Each image of `images` is in the set once, with its label."""
    for split, found, found_labels in (
        ("train", data.train_images, data.train_labels),
        ("test", data.test_images, data.test_labels),
    ):
        pixels, labels = images[split]
        expected = {
            x.transpose(2, 0, 1).tobytes(): label for x, label in zip(pixels, labels, strict=True)
        }
        got = {
            x.numpy().tobytes(): label.item() for x, label in zip(found, found_labels, strict=True)
        }
        assert got == expected
        assert found_labels.tolist() == sorted(found_labels.tolist())


def test_image_archives(images, image_archives):
    data = load_data("cifar10")
    assert_holds(data, images)
    assert data.classes == CIFAR10.classes


def test_torchvision_folder(images, folder):
    assert_holds(load_data("cifar10"), images)


def test_published_archive(images, archive, tmp_path):
    assert_holds(load_data("cifar10"), images)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["cifar10.safetensors"]
    assert list(archive.parent.iterdir()) == [archive]


def test_cifar100_takes_the_fine_labels(images, data_root, monkeypatch):
    dataset = torchvision.datasets.CIFAR100
    write_folder(images, dataset, "fine_labels", data_root, monkeypatch)
    data = load_data("cifar100")
    assert_holds(data, images)
    assert data.num_classes == 100


def test_the_same_digest_and_order_from_every_source(image_archives, folder, monkeypatch):
    from_folder = load_data("cifar10")
    CIFAR10.cache_file.unlink()
    shutil.rmtree(folder)
    from_images = load_data("cifar10")
    assert from_folder.digest == from_images.digest
    assert torch.equal(from_folder.train_images, from_images.train_images)


def test_the_second_start_needs_the_cache_only(image_archives):
    prepare("cifar10")
    first = load_data("cifar10")
    shutil.rmtree(image_archives)
    second = load_data("cifar10")
    assert first.digest == second.digest
    assert torch.equal(first.train_images, second.train_images)


def test_a_damaged_cache_is_made_again_with_a_warning(image_archives):
    first = load_data("cifar10").digest
    CIFAR10.cache_file.write_bytes(CIFAR10.cache_file.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="cifar10.safetensors"):
        assert load_data("cifar10").digest == first
    assert load_data("cifar10").digest == first


def test_missing_data_says_how_to_get_it():
    with pytest.raises(DataError) as caught:
        load_data("cifar10")
    message = str(caught.value)
    assert message.startswith("cifar10 is not on this machine")
    for way in ("--download cifar10", "DISTILL_DATA", CIFAR10.folder, "cifar10-test.tar.xz"):
        assert way in message
    assert not CIFAR10.cache_file.exists()
    with pytest.raises(DataError) as caught:
        load_data("cifar100")
    assert CIFAR100.archive in str(caught.value) and "tar.xz" not in str(caught.value)


@pytest.fixture
def published(archive, tmp_path, monkeypatch):
    """The published archive behind an address, and nothing on this machine."""
    folder = tmp_path / "web"
    folder.mkdir()
    path = archive.rename(folder / archive.name)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    address = f"http://127.0.0.1:{server.server_port}/{path.name}"
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", address)
    yield path
    server.shutdown()
    server.server_close()


def test_the_download_is_read_like_the_archive(images, published, tmp_path):
    assert_holds(load_data("cifar10", download=True), images)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["cifar10.safetensors"]


@pytest.mark.parametrize("failure", ["cut", "missing"])
def test_a_download_that_fails_or_brings_something_else(published, failure):
    if failure == "cut":
        published.write_bytes(published.read_bytes()[:-10])
    else:
        published.unlink()
    with pytest.raises(DataError, match="could not be downloaded"):
        load_data("cifar10", download=True)
    assert not CIFAR10.cache_file.exists()


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch", "batches.meta"])
def test_nothing_is_unpickled_that_is_not_the_published_file(folder, tmp_path, name):
    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self):
            return canary.touch, ()

    (folder / name).write_bytes(pickle.dumps(Payload()))
    with pytest.raises(DataError, match=f"{name} is not the published file"):
        load_data("cifar10")
    (folder / name).unlink()
    with pytest.raises(DataError, match="the file is missing"):
        load_data("cifar10")
    assert not canary.exists()


def test_a_cut_published_archive_is_named(archive):
    archive.write_bytes(archive.read_bytes()[:-10])
    with pytest.raises(DataError, match=f"{archive.name} .* is not the published archive"):
        load_data("cifar10")


@pytest.mark.parametrize(
    "name", [name for names in cifar_images.ARCHIVES.values() for name in names]
)
def test_a_damaged_or_missing_image_archive_is_named(image_archives, name):
    path = image_archives / name
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=name):
        load_data("cifar10")
    if name not in cifar_images.ARCHIVES["test"]:
        path.unlink()
        with pytest.raises(DataError, match=name):
            load_data("cifar10")
    assert not CIFAR10.cache_file.exists()


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../cifar10/test/cat/x.webp"),
        tarfile.TarInfo("cifar10/test/cat/../../x.webp"),
        tarfile.TarInfo("cifar10/test/unicorn/x.webp"),
        tarfile.TarInfo("cifar10/train/cat/x.webp"),
        tarfile.TarInfo("cifar10/test/cat/x.py"),
        odd_member("cifar10/test/cat/x.webp", tarfile.SYMTYPE, "/etc/hostname"),
    ],
    ids=lambda member: member.name,
)
def test_a_strange_member_is_refused(images, image_archives, member):
    name = cifar_images.ARCHIVES["test"][0]
    write_tar(image_archives / name, members(images, "test"), member)
    with pytest.raises(DataError, match=f"{name}: refused"):
        load_data("cifar10")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not an image", "cannot be decoded"),
        (b"", "cannot be decoded"),
        (webp(np.zeros((16, 32, 3), np.uint8)), "is 32x16"),
        (bytes(100_000), "100,000 bytes"),
    ],
)
def test_a_strange_image_is_named(images, image_archives, content, message):
    name = cifar_images.ARCHIVES["test"][0]
    strange = {"cifar10/test/cat/strange.webp": content}
    write_tar(image_archives / name, members(images, "test") | strange)
    with pytest.raises(DataError, match=message) as caught:
        load_data("cifar10")
    assert name in str(caught.value) and "strange.webp" in str(caught.value)


def test_missing_images_are_counted(images, image_archives):
    some = dict(list(members(images, "test").items())[1:])
    write_tar(image_archives / cifar_images.ARCHIVES["test"][0], some)
    with pytest.raises(DataError, match="has 1 test images"):
        load_data("cifar10")


def test_one_archive_of_four_is_not_the_set(image_archives):
    (image_archives / "cifar10-train-2of3.tar.xz").unlink()
    found, where = CIFAR10.locate()
    assert not found and "lacks cifar10-train-2of3.tar.xz\n" in where


def test_status_tells_where_and_reads_nothing(image_archives):
    (image_archives / cifar_images.ARCHIVES["test"][0]).write_bytes(b"")
    rows = {row.name: row for row in data_status()}
    assert rows["cifar10"].found and str(image_archives) in rows["cifar10"].where
    assert not rows["cifar100"].found and "--download cifar100" in rows["cifar100"].where
    assert rows["fashion"].found and "10,000 + 2,000" in rows["fashion"].size


def test_the_import_is_light():
    code = "import sys, distill_lib.data; print({'torchvision', 'PIL'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
