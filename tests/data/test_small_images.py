"""The promise of the batches: same samples, same pixels, however an epoch is cut."""

import dataclasses

import pytest
import torch

from distill_lib.data import Augment, SmallImages
from distill_lib.errors import DataError, DistillError

from .helpers import PLAIN, random_split, small_set

EPOCH = {"batch_size": 10, "seed": 3, "epoch": 2}


def pixels_by_sample(batches):
    return {
        index: (image, label)
        for batch in batches
        for index, image, label in zip(
            batch.indices.tolist(), batch.images, batch.labels.tolist(), strict=True
        )
    }


def assert_same(left, right):
    assert left.keys() == right.keys()
    for index, (image, label) in left.items():
        assert label == right[index][1]
        assert torch.equal(image, right[index][0])


def test_an_epoch_has_every_sample_once():
    data = small_set()
    batches = list(data.train_batches(**EPOCH))
    assert len(batches) == data.num_batches(10) == 6
    assert [batch.global_size for batch in batches] == [10] * 5 + [3]
    indices = torch.cat([batch.indices for batch in batches])
    assert sorted(indices.tolist()) == list(range(53))
    assert indices.tolist() != list(range(53))
    assert torch.equal(torch.cat([batch.labels for batch in batches]), data.train_labels[indices])
    assert batches[0].images.dtype == torch.float32
    assert batches[0].images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_share_the_epoch_of_one_process(world_size):
    data = small_set()
    alone = list(data.train_batches(**EPOCH))
    ranks = [
        list(data.train_batches(**EPOCH, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    for whole, *parts in zip(alone, *ranks, strict=True):
        assert torch.equal(torch.cat([part.indices for part in parts]), whole.indices)
        assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
        assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)
        assert {part.global_size for part in parts} == {whole.global_size}


@pytest.mark.parametrize("start_batch", [0, 1, 5, 6])
def test_a_resumed_epoch_goes_on_where_it_was(start_batch):
    data = small_set()
    alone = list(data.train_batches(**EPOCH))[start_batch:]
    resumed = list(data.train_batches(**EPOCH, start_batch=start_batch))
    assert len(alone) == len(resumed)
    for left, right in zip(alone, resumed, strict=True):
        assert torch.equal(left.indices, right.indices)
        assert torch.equal(left.images, right.images)


def test_the_crop_of_a_sample_does_not_depend_on_the_batch_size():
    data = small_set()
    left = pixels_by_sample(data.train_batches(**EPOCH))
    right = pixels_by_sample(data.train_batches(**EPOCH | {"batch_size": 7}))
    assert_same(left, right)


@pytest.mark.parametrize("other", [{"seed": 4}, {"epoch": 3}, {"seed": 2, "epoch": 3}])
def test_another_seed_or_epoch_is_another_draw(other):
    data = small_set()
    left = list(data.train_batches(**EPOCH))
    right = list(data.train_batches(**EPOCH | other))
    assert not torch.equal(left[0].indices, right[0].indices)
    left, right = pixels_by_sample(left), pixels_by_sample(right)
    differ = sum(not torch.equal(left[i][0], right[i][0]) for i in left)
    assert differ > len(left) / 2


def test_the_global_random_state_neither_matters_nor_moves():
    data = small_set()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    left = pixels_by_sample(data.train_batches(**EPOCH))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert_same(left, pixels_by_sample(data.train_batches(**EPOCH)))


def test_crops_and_flips_cover_what_they_may():
    """With 2,000 samples of one image, all 9 offsets and both directions turn up."""
    augment = dataclasses.replace(PLAIN, padding=1, padding_mode="zero")
    image = torch.arange(1, 49, dtype=torch.uint8).view(1, 3, 4, 4)
    train = image.repeat(2_000, 1, 1, 1), torch.zeros(2_000, dtype=torch.long)
    data = SmallImages("one", ["only"], train=train, test=train, augment=augment)
    (batch,) = data.train_batches(batch_size=2_000, seed=0, epoch=1)
    assert len({tuple(x.flatten().tolist()) for x in batch.images}) == 18
    still = dataclasses.replace(augment, padding=0, flip=False)
    data = SmallImages("one", ["only"], train=train, test=train, augment=still)
    (batch,) = data.train_batches(batch_size=2_000, seed=0, epoch=1)
    assert torch.equal(batch.images, train[0].float())


@pytest.mark.parametrize("world_size", [1, 2, 3, 30])
def test_test_batches_are_the_test_set_in_order(world_size):
    data = small_set()
    batches = [
        batch
        for rank in range(world_size)
        for batch in data.test_batches(batch_size=5, rank=rank, world_size=world_size)
    ]
    assert torch.cat([batch.indices for batch in batches]).tolist() == list(range(23))
    assert torch.equal(torch.cat([batch.images for batch in batches]), data.test_images.float())
    assert torch.equal(torch.cat([batch.labels for batch in batches]), data.test_labels)


def test_numbers_that_do_not_fit_are_refused_at_the_call():
    data = small_set()
    with pytest.raises(DistillError, match="3 of 10 samples, too few for 4 processes"):
        data.train_batches(**EPOCH, rank=0, world_size=4)
    with pytest.raises(DistillError, match="rank 2"):
        data.train_batches(**EPOCH, rank=2, world_size=2)
    with pytest.raises(DistillError, match="rank -1"):
        data.test_batches(rank=-1)
    with pytest.raises(DistillError, match="start_batch 7"):
        data.train_batches(**EPOCH, start_batch=7)
    with pytest.raises(DistillError, match="batch_size 0"):
        data.train_batches(**EPOCH | {"batch_size": 0})
    with pytest.raises(DistillError, match="batch_size 0"):
        data.test_batches(batch_size=0)


@pytest.mark.parametrize("label", [-1, 5, -100])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_label_that_names_no_class_is_named(split, label):
    splits = {"train": random_split(20), "test": random_split(20)}
    splits[split][1][7] = label
    with pytest.raises(DataError, match=f"tiny, {split}: label {label} at index 7"):
        SmallImages("tiny", "abcde", **splits, augment=PLAIN)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x, y: (x.float(), y), "images are torch.float32"),
        (lambda x, y: (x[:, :1], y), r"\(20, 1, 8, 8\)"),
        (lambda x, y: (x[0], y), r"\(3, 8, 8\)"),
        (lambda x, y: (x[:, :, :6], y), "6x8"),
        (lambda x, y: (x[:0], y[:0]), "0 images"),
        (lambda x, y: (x, y.float()), "labels are torch.float32"),
        (lambda x, y: (x, y[:-1]), r"\(19,\)"),
        (lambda x, y: (x[:, :, :6, :6], y), "test: images are 6x6"),
    ],
)
def test_tensors_of_another_form_are_refused(spoil, message):
    with pytest.raises(DataError, match=message):
        SmallImages(
            "tiny",
            "abcde",
            train=random_split(20),
            test=spoil(*random_split(20)),
            augment=PLAIN,
        )


def test_reflect_padding_has_to_fit_the_image():
    with pytest.raises(DistillError, match="reflect padding of 8"):
        small_set(augment=Augment(mean=(0.0,) * 3, std=(1.0,) * 3, padding=8))


def test_train_limit_takes_the_first_of_each_class():
    whole, limited = small_set(), small_set(train_limit=15)
    assert limited.num_train == 15
    assert torch.bincount(limited.train_labels).tolist() == [3] * 5
    assert torch.equal(limited.train_images, whole.train_images[:15])
    assert torch.equal(limited.test_images, whole.test_images)


@pytest.mark.parametrize("train_limit", [0, -5, 7, 55])
def test_a_train_limit_that_classes_cannot_share_is_refused(train_limit):
    with pytest.raises(DistillError, match="multiple of 5, at most 50"):
        small_set(train_limit=train_limit)


def test_the_digest_tells_contents_apart():
    digest = small_set().digest
    assert digest == small_set(augment=dataclasses.replace(PLAIN, padding=0)).digest
    others = [
        small_set(52),
        small_set(53, 22),
        small_set(train_limit=15),
        small_set(train_limit=10),
    ]
    assert len({digest, *(other.digest for other in others)}) == 5
