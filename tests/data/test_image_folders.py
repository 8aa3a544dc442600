"""Image folders: the same samples whatever decodes them, and no odd file unseen."""

import random
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill_lib import paths
from distill_lib.data import ImageFolders, ResizedCrop, data_status, load_data
from distill_lib.data.check_images import odd_images
from distill_lib.data.image_files import read_rgb, summary_of
from distill_lib.errors import DataError, DistillError
from tests.data.helpers import write_tar

CLASSES = ("n01", "n02", "n03")


def jpeg(path, seed, mode="RGB", size=(40, 30)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, "JPEG")
    return path


@pytest.fixture
def folder(tmp_path):
    for split, count in (("train", 4), ("val", 3)):
        for k, name in enumerate(CLASSES):
            for i in range(count):
                jpeg(tmp_path / "set" / split / name / f"{i}.jpeg", 100 * k + i)
    return tmp_path / "set"


def open_set(folder, **kwargs):
    return ImageFolders(
        "own", folder, **{"image_size": 16, "augment": ResizedCrop(), "workers": 0} | kwargs
    )


def epoch(data, **kwargs):
    batches = data.train_batches(**{"batch_size": 5, "seed": 1, "epoch": 2} | kwargs)
    return {
        int(index): image
        for batch in batches
        for index, image in zip(batch.indices, batch.images, strict=True)
    }


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[i], b[i]) for i in a)


def test_batches_have_the_shapes_and_labels_of_the_files(folder):
    data = open_set(folder)
    assert (data.classes, data.num_train, data.num_test) == (CLASSES, 12, 9)
    batches = list(data.train_batches(batch_size=5, seed=0, epoch=1))
    assert [batch.global_size for batch in batches] == [5, 5, 2]
    for batch in batches:
        assert batch.images.shape == (len(batch.labels), 3, 16, 16)
        assert batch.images.dtype == torch.float32
        assert batch.labels.tolist() == [index // 4 for index in batch.indices.tolist()]
    assert torch.cat([batch.labels for batch in data.test_batches(batch_size=4)]).tolist() == [
        *[0] * 3,
        *[1] * 3,
        *[2] * 3,
    ]


def test_validation_is_the_centre_of_the_resized_image(folder):
    from torchvision.transforms import v2

    image = Image.open(folder / "val" / "n02" / "1.jpeg")
    cut = v2.CenterCrop(16)(v2.Resize(18)(image))
    batch = next(open_set(folder).test_batches(batch_size=9))
    augment = ResizedCrop()
    want = (
        torch.tensor(np.asarray(cut)).permute(2, 0, 1) - torch.tensor(augment.mean).view(3, 1, 1)
    ) / (torch.tensor(augment.std).view(3, 1, 1))
    assert torch.allclose(batch.images[4], want, atol=1e-5)


def test_an_epoch_does_not_depend_on_who_decodes_it(folder):
    whole = epoch(open_set(folder))
    torch.manual_seed(5)
    random.seed(5)
    assert same(whole, epoch(open_set(folder, workers=2)))
    shares = [epoch(open_set(folder), rank=rank, world_size=2) for rank in (0, 1)]
    assert not shares[0].keys() & shares[1].keys()
    assert same(whole, shares[0] | shares[1])
    later = epoch(open_set(folder), start_batch=2)
    assert len(later) == 2
    assert all(torch.equal(whole[i], later[i]) for i in later)
    assert not same(whole, epoch(open_set(folder), epoch=3))
    assert not same(whole, epoch(open_set(folder), seed=2))


def test_the_global_random_state_is_left_alone(folder):
    before = torch.get_rng_state()
    epoch(open_set(folder))
    assert torch.equal(before, torch.get_rng_state())


def test_workers_may_be_spawned(folder):
    data = open_set(folder, workers=1)
    data._train_loader.multiprocessing_context = "spawn"
    assert same(epoch(open_set(folder)), epoch(data))


def test_workers_go_on_after_an_epoch_that_was_broken_off(folder):
    data = open_set(folder, workers=2)
    next(data.train_batches(batch_size=2, seed=1, epoch=1))
    assert same(epoch(open_set(folder)), epoch(data))
    assert same(epoch(open_set(folder)), epoch(data))


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="tells who sent a signal")
@pytest.mark.parametrize("name", ["TERM", "INT", "USR1"])
def test_a_signal_to_the_whole_group_leaves_the_workers_at_work(folder, name):
    data = open_set(folder, workers=2)
    batches = data.train_batches(batch_size=1, seed=1, epoch=2)
    begun = [next(batches), next(batches)]
    workers = data._train_loader._iterator._workers
    subprocess.run(["kill", f"-{name}", *(str(worker.pid) for worker in workers)], check=True)
    found = {int(batch.indices): batch.images[0] for batch in [*begun, *batches]}
    assert same(epoch(open_set(folder)), found)
    assert same(epoch(open_set(folder)), epoch(data))
    assert all(worker.is_alive() for worker in workers)
    for worker in workers:  # as at the end of the process
        worker.terminate()
        worker.join(timeout=10)
    assert [worker.exitcode for worker in workers] == [0, 0]


def test_odd_files_are_converted_or_left_out_and_named(folder):
    jpeg(folder / "train" / "n01" / "0.jpeg", 0, mode="L")
    jpeg(folder / "train" / "n02" / "1.jpeg", 0, mode="CMYK")
    cut = folder / "train" / "n03" / "2.jpeg"
    cut.write_bytes(cut.read_bytes()[:300])
    data = open_set(folder)
    seen = epoch(data)
    assert seen.keys() == set(range(12)) - {10}
    assert data.odd_images.pop("train/n03/2.jpeg").startswith("unreadable: ")
    assert data.odd_images == {"train/n01/0.jpeg": "grey", "train/n02/1.jpeg": "CMYK"}


def test_too_many_unreadable_files_are_refused(folder):
    for file in folder.glob("train/*/*.jpeg"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match=re.escape("data --check own")):
        epoch(open_set(folder), batch_size=12)
    with pytest.raises(DataError, match="no image of a batch of 5"):
        epoch(open_set(folder))


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "P", "I;16", "1"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / "image.tiff"
    Image.new(mode, (1, 1)).save(path)
    image, odd = read_rgb(path)
    assert (image.mode, image.size) == ("RGB", (1, 1))
    assert odd == ("grey" if mode == "L" else mode)


def test_sixteen_bits_become_eight(tmp_path):
    values = np.array([[0, 256, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "image.png")
    image, _ = read_rgb(tmp_path / "image.png")
    assert np.asarray(image)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_what_is_odd_is_counted_and_listed():
    odd = {"b": "grey", "a": "grey", "c": "unreadable: cut"}
    assert summary_of(odd) == {
        "grey": {"count": 2, "files": ["a", "b"]},
        "unreadable": {"count": 1, "files": ["c"]},
    }


def test_a_check_opens_every_file(folder):
    (folder / "val" / "n01" / "2.jpeg").write_bytes(b"no image")
    found = dict(odd_images(folder, workers=1))
    assert len(found) == 21
    assert [file for file, what in found.items() if what] == ["val/n01/2.jpeg"]


def test_the_splits_must_have_the_same_classes(folder):
    shutil.move(folder / "val" / "n02", folder / "val" / "n09")
    with pytest.raises(DataError, match="only in train/: n02; only in val/: n09"):
        open_set(folder)
    shutil.rmtree(folder / "val")
    with pytest.raises(DataError, match="own"):
        open_set(folder)


def test_the_digest_knows_names_sizes_and_limits(folder):
    digest = open_set(folder).digest
    assert open_set(folder).digest == digest
    assert open_set(folder, train_limit=6).digest != digest
    jpeg(folder / "val" / "n01" / "0.jpeg", 9, size=(50, 50))
    assert open_set(folder).digest != digest


def test_a_limit_takes_the_first_of_each_class(folder):
    data = open_set(folder, train_limit=6)
    assert data.num_train == 6
    labels = torch.cat([b.labels for b in data.train_batches(batch_size=6, seed=0, epoch=1)])
    assert sorted(labels.tolist()) == [0, 0, 1, 1, 2, 2]


def test_a_folder_of_ones_own_loads_by_its_name(folder):
    data = load_data(f"folder:{folder}", image_size=24)
    assert (data.image_size, data.num_classes) == (24, 3)
    with pytest.raises(DistillError, match="ResizedCrop"):
        load_data(f"folder:{folder}", augment=load_data("fashion").augment)


def test_imagenette_is_unpacked_from_its_archives_once(folder, tmp_path, monkeypatch):
    root = tmp_path / "sets"
    root.mkdir()
    monkeypatch.setenv("DISTILL_DATA", str(root))
    with pytest.raises(DataError, match="data --download imagenette"):
        load_data("imagenette")
    for split in ("train", "val"):
        files = {
            f"imagenette144/{file.relative_to(folder)}": file.read_bytes()
            for file in sorted(folder.glob(f"{split}/*/*.jpeg"))
        }
        write_tar(root / f"imagenette144-{split}.tar.xz", files)
    found = {status.name: status for status in data_status()}["imagenette"]
    assert found.found and "unpacked at the first use" in found.where
    first = load_data("imagenette")
    assert (first.num_train, first.image_size) == (12, 64)
    for archive in root.iterdir():
        archive.unlink()
    assert load_data("imagenette").digest == first.digest


def test_a_download_that_is_cut_short_leaves_nothing_to_be_taken_for_the_set(monkeypatch):
    def cut(root, **options):
        (Path(root) / "imagenette2-160" / "train").mkdir(parents=True)
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.Imagenette", cut)
    with pytest.raises(DataError, match="(?s)no route to host.*by other means"):
        load_data("imagenette", download=True)
    assert not list(paths.cache_dir().iterdir())


def test_an_archive_of_something_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILL_DATA", str(tmp_path))
    for split in ("train", "val"):
        write_tar(tmp_path / f"imagenette144-{split}.tar.xz", {"other/file": b"x"})
    with pytest.raises(DataError, match="Is it the right archive"):
        load_data("imagenette")
