"""Images with boxes: what an annotation says, what is wrong with it, and where boxes end up."""

import numpy as np
import pytest
import torch
from PIL import Image

from distill_lib.cli import main
from distill_lib.data import BoxAugment, load_data
from distill_lib.data.boxes import BoxedImages, as_sample, read_annotation
from distill_lib.errors import DataError
from tests.data.annotated import annotation, bccd, listed, picture

CLASSES = ("RBC", "WBC", "Platelets")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILL_DATA", str(tmp_path / "sets"))
    return tmp_path / "sets"


def epoch(data, **kwargs):
    batches = data.train_batches(**{"batch_size": 4, "seed": 1, "epoch": 2} | kwargs)
    return {
        int(index): (image, objects)
        for batch in batches
        for index, image, objects in zip(batch.indices, batch.images, batch.labels, strict=True)
    }


def same(a, b):
    return a.keys() == b.keys() and all(
        torch.equal(a[i][0], b[i][0])
        and all(torch.equal(a[i][1][key], b[i][1][key]) for key in ("boxes", "labels"))
        for i in a
    )


def test_an_annotation_counts_pixels_from_one(tmp_path):
    file = annotation(tmp_path, "a", ("WBC", 1, 1, 40, 30), ("RBC", 11, 6, 20, 15, 1))
    found = read_annotation(file, CLASSES)
    assert found.boxes.tolist() == [[0, 0, 40, 30], [10, 5, 20, 15]]
    assert (found.labels.tolist(), found.difficult.tolist()) == ([2, 1], [False, True])
    assert (found.size, found.odd) == ((40, 30), None)
    assert found.image == tmp_path / "JPEGImages" / "a.jpg"


def test_an_image_without_objects_is_legal(tmp_path):
    found = read_annotation(annotation(tmp_path, "a"), CLASSES)
    assert (found.boxes.shape, found.labels.shape, found.odd) == ((0, 4), (0,), None)


def test_boxes_are_clipped_or_left_out_and_named(tmp_path):
    file = annotation(
        tmp_path,
        "a",
        ("RBC", 31, 21, 45, 35),
        ("WBC", 7, 9, 7, 9),
        ("RBC", 9, 9, 5, 12),
        ("Platelets", 50, 2, 60, 9),
    )
    found = read_annotation(file, CLASSES)
    assert found.boxes.tolist() == [[30, 20, 40, 30]]
    assert found.odd.startswith("dropped-box: WBC 7,9,7,9 has no area in 40x30; RBC 9,9,5,12 has")
    assert "Platelets 50,2,60,9 has no area" in found.odd
    assert "RBC 31,21,45,35 reaches out of 40x30" in found.odd
    file = annotation(tmp_path, "b", ("RBC", 31, 21, 45, 35))
    assert read_annotation(file, CLASSES).odd.startswith("clipped-box: RBC")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("RBC", "cell"), "names the class 'cell'.\n  Expected one of RBC, WBC, Platelets"),
        (("a.jpg", "z.jpg"), "names the image z.jpg, which is not in"),
        (("<xmin>1</xmin>", ""), "no whole annotation"),
        (("<xmin>1<", "<xmin>one<"), "could not convert string to float"),
        (("<xmin>1<", "<xmin>nan<"), "a box ends at nan"),
        (("a.jpg", "a" * 300), "which is not in"),
        (("<annotation>", '<?xml version="1.0" encoding="foo"?><annotation>'), "unknown encoding"),
        (("<width>40</width>", ""), "size"),
        (("</annotation>", ""), "no whole annotation"),
    ],
)
def test_a_wrong_annotation_is_refused_by_name(tmp_path, change, told):
    file = annotation(tmp_path, "a", ("RBC", 1, 1, 20, 15))
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(DataError) as error:
        read_annotation(file, CLASSES)
    assert told in str(error.value) and str(file) in str(error.value)


def test_the_boxes_move_with_the_image():
    """The object is the only bright thing, and its box is where the bright pixels are."""
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[20:40, 30:60] = 255
    boxes, labels = torch.tensor([[30.0, 20, 60, 40]]), torch.tensor([2])
    sample = as_sample(Image.fromarray(pixels), boxes, {"labels": labels})
    data = BoxedImages(
        *("bright", ["a", "b"]),
        train=[sample] * 30,
        test=[sample],
        image_size=48,
        digest="",
        augment=BoxAugment(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        workers=0,
    )
    (batch,) = data.train_batches(batch_size=30, seed=0, epoch=1)
    assert batch.images.shape == (30, 3, 48, 48)
    places = set()
    for image, objects in zip(batch.images, batch.labels, strict=True):
        assert objects["labels"].tolist() == [2] * len(objects["boxes"])
        assert type(objects["boxes"]) is torch.Tensor
        bright = image.mean(0) > 0.5 * image.mean(0).max()
        if not len(objects["boxes"]):
            continue
        rows, columns = bright.nonzero().T
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        torch.testing.assert_close(objects["boxes"][0], torch.tensor(seen).float(), atol=1, rtol=0)
        places.add(tuple(objects["boxes"][0].tolist()))
    assert len(places) > 20
    (batch,) = data.test_batches()
    assert batch.labels[0]["boxes"].tolist() == [[18, 16, 36, 32]]


def test_bccd_is_read_and_an_epoch_does_not_depend_on_who_decodes_it(root):
    folder = bccd(root)
    annotation(folder, "a1", ("WBC", 7, 9, 7, 9), ("RBC", 1, 1, 20, 15))
    data = load_data("bccd", image_size=32)
    assert (data.task, data.num_classes, data.num_train, data.num_test) == ("detection", 3, 6, 4)
    assert data.odd_images == {
        "Annotations/a1.xml": "dropped-box: WBC 7,9,7,9 has no area in 40x30"
    }
    data.workers = 0
    data._train_loader = data._loader(data._train_loader.dataset, stay=False)
    before = torch.get_rng_state()
    whole = epoch(data)
    assert torch.equal(before, torch.get_rng_state())
    assert whole.keys() == set(range(6))
    assert whole[0][1]["boxes"].shape == (0, 4)
    for _, objects in whole.values():
        boxes = objects["boxes"]
        assert ((boxes >= 0) & (boxes <= 32)).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
    shares = [epoch(data, batch_size=6, rank=rank, world_size=2) for rank in (0, 1)]
    assert not shares[0].keys() & shares[1].keys()
    assert same(whole, shares[0] | shares[1])
    data._train_loader = load_data("bccd", image_size=32)._train_loader  # with workers
    assert same(whole, epoch(data))
    assert not same(whole, epoch(data, epoch=3))


def test_the_digest_knows_the_boxes(root):
    folder = bccd(root)
    digest = load_data("bccd").digest
    assert load_data("bccd").digest == digest
    annotation(folder, "b1", ("RBC", 1, 1, 20, 16), ("WBC", 11, 6, 40, 30))
    assert load_data("bccd").digest != digest


def test_a_check_names_all_that_is_wrong(root, capsys):
    folder = bccd(root)
    assert main(["data", "--check", "bccd"]) == 0
    assert "bccd: 10 files, can be trained on" in capsys.readouterr().out
    annotation(folder, "a1", ("cell", 1, 1, 20, 15))
    annotation(folder, "a2", ("RBC", 1, 1, 45, 15))
    (folder / "JPEGImages" / "a3.jpg").unlink()
    (folder / "JPEGImages" / "a4.jpg").write_bytes(b"no image")
    picture(folder / "JPEGImages" / "b1.jpg", (20, 30))
    (folder / "Annotations" / "b2.xml").unlink()
    assert main(["data", "--check", "bccd"]) == 1
    told = capsys.readouterr().out
    assert "10 files, 4 refused, 1 clipped-box, 1 unreadable" in told
    for part in (
        "'cell'",
        "the image a3.jpg",
        "20x30",
        "b2.xml cannot be read",
        "a4.xml: unreadab",
    ):
        assert part in told
    with pytest.raises(DataError, match="'cell'"):
        load_data("bccd")


def test_a_half_made_folder_in_the_cache_is_told(root, tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "bccd" / "Annotations").mkdir(parents=True)
    root.mkdir(parents=True, exist_ok=True)
    (root / "bccd.tar.xz").write_bytes(b"")
    with pytest.raises(DataError, match="(?s)bccd lacks a part of Annotations.*Delete it"):
        load_data("bccd")


def test_annotations_without_any_object_are_refused(root):
    folder = bccd(root)
    annotation(folder, "empty")
    listed(folder, "test", ["empty"])
    with pytest.raises(DataError, match="none of the 1 annotations to test on has an object"):
        load_data("bccd", image_size=32)


def test_difficult_objects_are_not_trained_on_and_flagged_in_testing(root):
    voc = root / "VOCdevkit"
    with pytest.raises(DataError, match="VOCDetection"):
        load_data("voc07+12")
    for year, splits in (("VOC2007", ("trainval", "test")), ("VOC2012", ("trainval",))):
        for split in splits:
            listed(voc / year, split, [split])
            annotation(voc / year, split, ("dog", 1, 1, 20, 15), ("cat", 11, 6, 40, 30, 1))
    data = load_data("voc07+12", image_size=32)
    assert (data.num_train, data.num_test, data.num_classes) == (2, 1, 20)
    samples = data._train_loader.dataset.samples
    assert [samples[i].label["labels"].tolist() for i in (0, 1)] == [[12], [12]]
    (batch,) = data.test_batches()
    assert batch.labels[0]["labels"].tolist() == [12, 8]
    assert batch.labels[0]["iscrowd"].tolist() == [0, 1]
