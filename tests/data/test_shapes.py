"""The pictures that the program draws: the same each time, with masks and boxes that are exact."""

import time

import numpy as np
import torch

from distill_lib.data import load_data, shapes


def test_a_seed_gives_the_same_picture():
    first, again, other = shapes.draw_scene(3), shapes.draw_scene(3), shapes.draw_scene(4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.image, other.image)


def test_boxes_enclose_what_the_mask_shows():
    seen = set()
    for scene in (shapes.draw_scene(seed) for seed in range(60)):
        assert scene.image.shape == (64, 64, 3) and scene.image.dtype == np.uint8
        assert 1 <= len(scene.boxes) == len(scene.labels) <= 4
        boxed = np.zeros((64, 64), bool)
        for (x1, y1, x2, y2), label in zip(scene.boxes.int(), scene.labels, strict=True):
            inside = scene.mask[y1:y2, x1:x2] == label.item()
            # Each side touches the shape, and the shape is no sliver.
            assert all(side.any() for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
            assert inside.sum() > 30
            boxed[y1:y2, x1:x2] = True
            seen.add(label.item())
        assert (scene.mask[~boxed] == 0).all()
        assert set(np.unique(scene.mask[boxed])) - {0} == set(scene.labels.tolist())
    assert seen == {1, 2, 3, 4}


def test_both_data_sets_have_the_same_pictures():
    start = time.process_time()
    with_masks, with_boxes = load_data("shapes"), load_data("shapes-boxes")
    assert time.process_time() - start < 10
    assert (with_masks.task, with_masks.num_classes) == ("segmentation", 5)
    assert (with_boxes.task, with_boxes.num_classes) == ("detection", 4)
    assert with_masks.classes[1:] == with_boxes.classes == shapes.SHAPES
    masks, boxes = (next(data.test_batches(batch_size=9)) for data in (with_masks, with_boxes))
    assert torch.equal(masks.images, boxes.images)
    for mask, objects in zip(masks.labels, boxes.labels, strict=True):
        assert set(mask.unique().tolist()) - {0} == set(objects["labels"].tolist())


def test_training_batches_have_images_of_one_size():
    for name in ("shapes", "shapes-boxes"):
        data = load_data(name, train_limit=12)
        sizes = [len(b.labels) for b in data.train_batches(batch_size=8, seed=0, epoch=1)]
        assert sizes == [8, 4]
        for batch in data.train_batches(batch_size=8, seed=0, epoch=1):
            assert batch.images.shape[1:] == (3, 64, 64)
            assert batch.images.is_contiguous(memory_format=torch.channels_last)
