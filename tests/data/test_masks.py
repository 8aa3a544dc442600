"""Images with masks: every pixel keeps its class through crop, flip and padding, or is refused."""

import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image

from distill_lib.cli import main
from distill_lib.data import VOID, MaskAugment, load_data
from distill_lib.data.annotated_sets import CAMVID, VOC_MASKS
from distill_lib.data.masks import MaskedImages, as_sample
from distill_lib.errors import DataError, DistillError
from tests.data.annotated import camvid, listed, mask, picture

PLAIN = MaskAugment(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILL_DATA", str(tmp_path / "sets"))
    return tmp_path / "sets"


def epoch(data, **kwargs):
    batches = data.train_batches(**{"batch_size": 3, "seed": 1, "epoch": 2} | kwargs)
    return {
        int(index): torch.cat((image, mask[None]))
        for batch in batches
        for index, image, mask in zip(batch.indices, batch.images, batch.labels, strict=True)
    }


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[i], b[i]) for i in a)


def test_the_mask_moves_with_its_image():
    """Each class has a colour of its own, so image and mask can be compared pixel by pixel."""
    colours = torch.tensor([[0, 0, 0], [255, 0, 0], [0, 255, 0]], dtype=torch.uint8)
    bands = np.repeat(np.arange(3, dtype=np.uint8), 20)[:, None].repeat(60, 1)
    sample = as_sample(Image.fromarray(colours[torch.tensor(bands).long()].numpy()), bands)
    data = MaskedImages(
        *("bands", ["a", "b", "c"]),
        train=[sample] * 40,
        test=[sample],
        image_size=32,
        digest="",
        augment=PLAIN,
        workers=0,
    )
    (batch,) = data.train_batches(batch_size=40, seed=0, epoch=1)
    assert batch.images.shape == (40, 3, 32, 32)
    assert (batch.labels.shape, batch.labels.dtype) == ((40, 32, 32), torch.int64)
    assert set(batch.labels.unique().tolist()) == {0, 1, 2, VOID}
    # Where a class is pure in the rescaled image its label is there; void is the padding's black.
    nearest = torch.cdist(batch.images.permute(0, 2, 3, 1).flatten(0, 2), colours.float()).argmin(1)
    labels = batch.labels.flatten()
    agree = (nearest == labels)[labels != VOID].float().mean().item()
    assert agree > 0.97
    assert (batch.images.permute(0, 2, 3, 1).flatten(0, 2)[labels == VOID] == 0).all()


def test_test_images_are_whole_and_padded_with_void(root):
    camvid(root)
    data = load_data("camvid")
    (batch,) = data.test_batches()
    assert (data.task, data.num_classes, data.image_size) == ("segmentation", 11, 176)
    assert batch.images.shape == (5, 3, 32, 64)
    assert batch.labels[:, :30, :14].unique().tolist() == [0]
    assert batch.labels[:, :30, 14:28].unique().tolist() == [3]
    assert batch.labels[:, :, 28:].unique().tolist() == [VOID]
    assert batch.labels[:, 30:].unique().tolist() == [VOID]
    assert batch.images[:, :, 30:].abs().max() < 0.01


def test_an_epoch_does_not_depend_on_who_decodes_it(root):
    camvid(root)
    data = load_data("camvid", image_size=24)
    before = torch.get_rng_state()
    whole = epoch(data)
    assert torch.equal(before, torch.get_rng_state())
    with_workers = CAMVID.load(
        "camvid", root / "camvid", image_size=24, augment=MaskAugment(), workers=2
    )
    assert same(whole, epoch(with_workers))
    shares = [epoch(data, batch_size=5, rank=rank, world_size=2) for rank in (0, 1)]
    assert not shares[0].keys() & shares[1].keys()
    assert same(whole, shares[0] | shares[1])
    assert not same(whole, epoch(data, epoch=3))


def test_a_limit_takes_the_first_and_changes_the_digest(root):
    camvid(root)
    data, limited = load_data("camvid"), load_data("camvid", train_limit=3)
    assert (limited.num_train, limited.num_test) == (3, 5)
    assert epoch(limited).keys() == {0, 1, 2}
    assert limited.digest != data.digest
    with pytest.raises(DistillError, match="train_limit 8 is not in 1..7"):
        load_data("camvid", train_limit=8)


def test_labels_outside_the_classes_are_refused_by_file_and_value(root, capsys):
    folder = camvid(root)
    mask(folder / "train" / "labels" / "2.png", [0, 12, 200, 255])
    with pytest.raises(DataError, match=r"2\.png has the values 12, 200"):
        load_data("camvid")
    mask(folder / "test" / "labels" / "1.png", [0], size=(40, 20))
    (folder / "test" / "labels" / "3.png").unlink()
    picture(folder / "train" / "labels" / "4.png")
    assert main(["data", "--check", "camvid"]) == 1
    told = capsys.readouterr().out
    assert "train/images/2.jpg: refused" in told and "12, 200" in told
    assert "40x20" in told and "40x30" in told
    assert "3.png cannot be read" in told
    assert "4.png is an image of mode RGB" in told
    assert "12 files, 4 refused" in told


def test_a_mask_of_an_absurd_size_is_refused_by_file(root, monkeypatch):
    camvid(root)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"0\.png cannot be read"):
        load_data("camvid", image_size=32)


def test_a_wrong_mask_that_a_worker_meets_is_told_without_its_traceback(root):
    camvid(root)
    files = CAMVID._files(CAMVID.pairs(root / "camvid")[0])
    mask(root / "camvid" / "train" / "labels" / "0.png", [99])
    data = MaskedImages(
        *("own", CAMVID.classes),
        train=files,
        test=files,
        image_size=24,
        test_size=(32, 64),
        digest="",
        augment=PLAIN,
        folder=root,
        workers=1,
    )
    with pytest.raises(DataError) as error:
        epoch(data)
    assert "0.png has the values 99" in str(error.value)
    assert "Traceback" not in str(error.value)


def voc_segmentation(root):
    voc = root / "VOCdevkit" / "VOC2012"
    for split, names in (("train", ["t1", "t2"]), ("val", ["v1"])):
        listed(voc, split, names, "Segmentation")
        for name in names:
            picture(voc / "JPEGImages" / f"{name}.jpg")
            mask(voc / "SegmentationClass" / f"{name}.png", [0, 20, 255])
    (root / "sbd" / "cls").mkdir(parents=True)
    (root / "sbd" / "train.txt").write_text("t1\nv1\n")
    (root / "sbd" / "val.txt").write_text("")
    return root / "sbd"


def test_voc_is_told_how_to_be_got_and_read_where_it_is(root):
    with pytest.raises(DataError, match="SBDataset"):
        load_data("voc2012-seg")
    voc_segmentation(root)
    data = load_data("voc2012-seg", image_size=32)
    assert (data.num_train, data.num_test, data.num_classes) == (2, 1, 21)
    data.workers = 0
    (batch,) = data.test_batches()
    assert batch.images.shape == (1, 3, 512, 512)
    assert batch.labels.unique().tolist() == [0, 20, VOID]


def test_sbd_adds_what_is_not_in_voc_and_never_its_val(root, monkeypatch):
    sbd = voc_segmentation(root)
    (sbd / "val.txt").write_text("s1\nv1\n")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install scipy"):
        load_data("voc2012-seg")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    train, test = VOC_MASKS.pairs(root)
    assert [image.split("/")[-1] for image, _ in train] == ["t1.jpg", "t2.jpg", "s1.jpg"]
    assert train[2] == (f"{sbd}/img/s1.jpg", f"{sbd}/cls/s1.mat")
    assert [image.split("/")[-1] for image, _ in test] == ["v1.jpg"]


def test_a_matlab_mask_is_read(tmp_path):
    io = pytest.importorskip("scipy.io")
    truth = np.zeros((30, 40), np.uint8)
    truth[:, 20:] = 7
    entry = np.zeros((1, 1), dtype=[("Segmentation", object)])
    entry["Segmentation"][0, 0] = truth
    io.savemat(tmp_path / "a.mat", {"GTcls": entry})
    pair = str(picture(tmp_path / "a.jpg")), str(tmp_path / "a.mat")
    assert (VOC_MASKS._files([pair])[0].label.numpy() == truth).all()
