"""Losses of pixels and boxes, and the overhaul loss of six taps, against their plain formulas."""

import pytest
import torch
import torch.nn.functional as F

from distill_lib.data.batching import VOID
from distill_lib.losses import Predictions, multibox_loss, overhaul_loss, pixel_cross_entropy
from distill_lib.recipes.segmentation import DIVISORS
from tests.conftest import seeded


def test_pixel_cross_entropy_is_the_mean_over_valid_pixels_once():
    logits = torch.randn(3, 4, 5, 6, generator=seeded(0), dtype=torch.float64)
    labels = torch.randint(0, 4, (3, 5, 6), generator=seeded(1))
    labels[0] = VOID
    labels[1, :2] = VOID
    log_p = logits.log_softmax(1)
    chosen = [-log_p[n, labels[n, y, x], y, x] for n, y, x in (labels != VOID).nonzero().tolist()]
    assert len(chosen) == 3 * 6 + 5 * 6
    expected = sum(chosen) / len(chosen)
    assert pixel_cross_entropy(logits, labels).item() == pytest.approx(expected.item(), rel=1e-12)


def test_pixels_without_a_class_give_zero_and_no_gradient():
    logits = torch.randn(2, 4, 3, 3, generator=seeded(0)).requires_grad_()
    loss = pixel_cross_entropy(logits, torch.full((2, 3, 3), VOID))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_half_precision_pixels_are_summed_in_float32():
    logits = torch.zeros(1, 2, 400, 400, dtype=torch.float16)
    loss = pixel_cross_entropy(logits, torch.zeros(1, 400, 400, dtype=torch.int64))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0.6931472, rel=1e-5)  # the sum alone is beyond float16


ANCHORS = torch.tensor(
    [[0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50], [0, 40, 10, 50], [40, 0, 50, 10]]
).float()


def predictions(images: int) -> Predictions:
    logits = torch.randn(images, 5, 3, generator=seeded(2)).requires_grad_()
    offsets = torch.randn(images, 5, 4, generator=seeded(3)).requires_grad_()
    return Predictions(logits, offsets, ANCHORS, (50, 50))


def nothing() -> dict:
    return {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


def test_multibox_loss_by_hand():
    found = predictions(2)
    # Anchor 1 answers for a box that is moved by 1 and twice as wide; the other image has none.
    box = torch.tensor([[16.0, 21.0, 36.0, 31.0]])
    targets = [{"boxes": box, "labels": torch.tensor([2])}, nothing()]
    offsets = torch.tensor([0.1 * 10, 0.1 * 10, torch.tensor(2.0).log() * 5, 0.0])
    matched = F.smooth_l1_loss(found.box_offsets[0, 1], offsets, reduction="sum")
    log_p = found.class_logits.log_softmax(-1)
    background = -log_p[0, [0, 2, 3, 4], 0]
    hardest = background.sort(descending=True).values[:3]  # three for each positive anchor
    expected = matched - log_p[0, 1, 2] + hardest.sum()
    assert multibox_loss(found, targets).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_best_anchor_answers_for_a_box_that_overlaps_little():
    found = predictions(1)
    targets = [{"boxes": torch.tensor([[38.0, 38.0, 60.0, 60.0]]), "labels": torch.tensor([1])}]
    multibox_loss(found, targets).backward()
    moved = found.box_offsets.grad[0].abs().sum(1) > 0
    assert moved.tolist() == [False, False, True, False, False]


def test_images_without_boxes_are_legal():
    found = predictions(2)
    loss = multibox_loss(found, [nothing(), nothing()])
    loss.backward()
    assert loss.item() == 0.0
    assert not found.class_logits.grad.any() and not found.box_offsets.grad.any()


def test_six_taps_are_the_sum_of_their_shares():
    shapes = [(64, 8), (128, 4), (256, 2), (512, 2), (256, 2), (256, 8)]
    generator = seeded(5)

    def features():
        return [
            torch.randn(2, c // 32, s, s, generator=generator, dtype=torch.float64)
            for c, s in shapes
        ]

    students, teachers = features(), features()
    margins = [-t.new_ones(t.shape[1]) * torch.rand(1, generator=generator) for t in teachers]
    expected = 0.0
    for s, t, m, divisor in zip(students, teachers, margins, (8, 4, 2, 1, 1, 16), strict=True):
        t = torch.maximum(t, m[:, None, None])
        counts = (s > t) | (t > 0)
        expected += ((s - t)[counts] ** 2).sum().item() / divisor
    found = overhaul_loss(students, teachers, margins, DIVISORS)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(expected, rel=1e-12)
