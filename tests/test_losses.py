"""Every loss is its definition, and keeps its promises about precision, shapes and gradients."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from distill_lib.errors import DistillError, FeatureError
from distill_lib.losses import (
    attention_loss,
    channel_loss,
    default_divisors,
    guided_kd_loss,
    kd_loss,
    overhaul_loss,
    partial_l2,
)

HALVES = [torch.float16, torch.bfloat16]
LABELS = torch.tensor([0, 1, 2])


def randn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize(
    ("s", "t", "counts"),
    [
        (-2.0, -1.0, False),  # low enough already
        (-1.0, -1.0, False),  # exactly as low
        (-0.5, -1.0, True),  # negative, but too high
        (0.5, -1.0, True),  # positive where the teacher is negative
        (-0.5, 1.0, True),  # too low where the teacher is positive
        (0.5, 1.0, True),
        (2.0, 1.0, True),
        (-1.0, 0.0, False),  # the teacher at 0 counts as negative
        (0.0, 0.0, False),
        (1.0, 0.0, True),
    ],
)
def test_partial_l2_in_each_region(s, t, counts):
    student = torch.tensor([[s]], requires_grad=True)
    loss = partial_l2(student, torch.tensor([[t]]))
    loss.backward()
    assert loss.item() == ((s - t) ** 2 if counts else 0)
    assert student.grad.item() == (2 * (s - t) if counts else 0)


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32])
@pytest.mark.parametrize(("s", "t"), [(-math.inf, -1.0), (-math.inf, -math.inf)])
def test_an_infinity_that_does_not_count_leaves_no_nan(dtype, s, t):
    student = torch.tensor([[s, 1.0]], dtype=dtype, requires_grad=True)
    loss = partial_l2(student, torch.tensor([[t, 2.0]], dtype=dtype))
    loss.backward()
    assert loss.item() == 1
    assert student.grad.tolist() == [[0.0, -2.0]]


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_is_summed_in_float32(dtype, autocast):
    # 100,000 addends of 0.01 overflow or stall in half precision.
    s, t = torch.full((1, 10, 100, 100), 0.5, dtype=dtype), torch.full((1, 10, 100, 100), 0.375)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = partial_l2(s, t.to(dtype))
        over_taps = overhaul_loss([s], [t.to(dtype)], [torch.zeros(10)], [1.0])
        channels = channel_loss([s], [t.to(dtype)])
        attention = attention_loss([s * 600], [t.to(dtype)])
        logits = s[0, 0] * 100
        softened = kd_loss(logits, -logits, 4.0)
    for value in (loss, over_taps, channels, attention, softened):
        assert value.dtype == torch.float32
    assert loss.item() == pytest.approx(100_000 * 0.125**2, rel=1e-5)
    assert over_taps.item() == pytest.approx(loss.item())
    assert channels.item() == pytest.approx(0.125**2, rel=1e-5)
    assert attention.item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("dtype", HALVES)
def test_gradients_come_back_in_the_dtype_of_the_student(dtype):
    student = randn(2, 3, 4, 4).to(dtype).requires_grad_()
    partial_l2(student, randn(2, 3, 4, 4, seed=1).to(dtype)).backward()
    assert student.grad.dtype == dtype


@pytest.mark.parametrize(
    "loss",
    [
        lambda s: partial_l2(s, randn(2, 3, 2, 2, seed=1, dtype=torch.float64)),
        lambda s: overhaul_loss([s], [randn(2, 3, 2, 2, seed=1)], [-torch.ones(3)], [4.0]),
        lambda s: channel_loss([s], [randn(2, 3, 4, 4, seed=1)]),
        lambda s: attention_loss([s], [randn(2, 5, 2, 2, seed=1)]),
        lambda s: kd_loss(s[:, :, 0, 0], randn(2, 3, seed=1), 4.0),
        lambda s: guided_kd_loss(s[:, :, 0, 0], randn(2, 3, seed=1), LABELS[:2], 1.0),
    ],
    ids=["partial_l2", "overhaul", "channel", "attention", "kd", "guided_kd"],
)
def test_gradient_is_that_of_the_value(loss):
    student = randn(2, 3, 2, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(loss, student)


@pytest.mark.parametrize(
    ("student", "teacher"),
    [
        ((2, 8, 4, 4), (2, 8, 1, 1)),
        ((2, 8, 1, 1), (2, 8, 4, 4)),
        ((2, 8, 4, 4), (2, 1, 4, 4)),
        ((2, 1, 4, 4), (2, 8, 4, 4)),
        ((2, 8, 4, 4), (1, 8, 4, 4)),
        ((2, 8, 4, 4), (8, 4, 4)),
    ],
)
def test_features_that_only_broadcast_are_refused(student, teacher):
    student, teacher = torch.zeros(student), torch.zeros(teacher)
    margin = torch.zeros(8)
    with pytest.raises(FeatureError, match="differ: expected equal shapes"):
        partial_l2(student, teacher)
    with pytest.raises(DistillError):
        overhaul_loss([student], [teacher], [margin])


@pytest.mark.parametrize("teacher", [(2, 1, 4, 4), (1, 8, 4, 4), (2, 4, 4, 4)])
def test_channel_loss_refuses_other_channels_or_batches(teacher):
    with pytest.raises(FeatureError, match="expected equal shapes"):
        channel_loss([torch.zeros(2, 8, 4, 4)], [torch.zeros(teacher)])


@pytest.mark.parametrize("teacher", [(2, 4, 1, 1), (1, 4, 4, 4), (2, 4, 2, 2)])
def test_attention_loss_refuses_other_positions_or_batches(teacher):
    with pytest.raises(FeatureError, match="expected equal shapes"):
        attention_loss([torch.zeros(2, 8, 4, 4)], [torch.zeros(teacher)])


@pytest.mark.parametrize("loss", [channel_loss, attention_loss])
@pytest.mark.parametrize(("students", "teachers"), [(0, 0), (1, 2), (2, 1)])
def test_as_many_features_of_both(loss, students, teachers):
    x = torch.zeros(2, 3, 4, 4)
    with pytest.raises(FeatureError, match="one of each for every tap"):
        loss([x] * students, [x] * teachers)


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (2, 1, 1, 1), (1, 2, 1, 1), (2, 2, 1, 2)])
def test_overhaul_loss_needs_one_of_each(counts):
    students, teachers, margins, divisors = counts
    x = torch.zeros(2, 3, 4, 4)
    with pytest.raises(FeatureError, match="one of each for every tap"):
        overhaul_loss([x] * students, [x] * teachers, [x[0, :, 0, 0]] * margins, [1.0] * divisors)


def six_taps():
    shapes = [(2, 4 * 2**i, 12 - 2 * i, 12 - 2 * i) for i in range(6)]
    students = [randn(*shape, seed=i) for i, shape in enumerate(shapes)]
    teachers = [randn(*shape, seed=10 + i) for i, shape in enumerate(shapes)]
    margins = [-randn(shape[1], seed=20 + i).abs() for i, shape in enumerate(shapes)]
    return students, teachers, margins


def test_overhaul_loss_of_six_taps_is_the_plain_formula():
    students, teachers, margins = six_taps()
    divisors = (8, 4, 2, 1, 1, 16)
    expected = 0.0
    for s, t, margin, divisor in zip(students, teachers, margins, divisors, strict=True):
        s, t = s.double(), t.double().maximum(margin.double().view(1, -1, 1, 1))
        expected += ((s - t) ** 2 * ~((s <= t) & (t <= 0))).sum().item() / divisor
    assert overhaul_loss(students, teachers, margins, divisors).item() == pytest.approx(expected)


def test_default_divisors_favour_the_deepest_tap():
    assert default_divisors(3) == (4, 2, 1)
    assert default_divisors(4) == (8, 4, 2, 1)
    students, teachers, margins = six_taps()
    powers = (32.0, 16.0, 8.0, 4.0, 2.0, 1.0)
    found = overhaul_loss(students, teachers, margins)
    assert found == overhaul_loss(students, teachers, margins, powers)


@pytest.mark.parametrize(
    "loss",
    [
        lambda s, t: overhaul_loss([s], [t], [-torch.ones(3)]),
        lambda s, t: channel_loss([s], [t]),
        lambda s, t: attention_loss([s], [t]),
        lambda s, t: kd_loss(s.flatten(1), t.flatten(1), 4.0),
        lambda s, t: guided_kd_loss(s.flatten(1), t.flatten(1), LABELS[:2], 4.0),
    ],
    ids=["overhaul", "channel", "attention", "kd", "guided_kd"],
)
def test_the_teacher_gets_no_gradient(loss):
    student, teacher = (randn(2, 3, 2, 2, seed=i).requires_grad_() for i in range(2))
    loss(student, teacher).backward()
    assert student.grad is not None
    assert teacher.grad is None


def test_channel_loss_sees_spatial_means_alone():
    teacher = randn(2, 3, 8, 8)
    student = teacher.mean((2, 3), keepdim=True).expand(2, 3, 4, 4)
    assert channel_loss([student], [teacher]).item() == pytest.approx(0, abs=1e-12)
    moved = channel_loss([student + 2, student], [teacher, teacher])
    assert moved.item() == pytest.approx(4, rel=1e-5)


def test_attention_loss_ignores_scale_and_number_of_channels():
    teacher = randn(2, 3, 4, 4)
    student = torch.cat([teacher, teacher], 1) * 7
    assert attention_loss([student], [teacher]).item() == pytest.approx(0, abs=1e-12)
    assert attention_loss([randn(2, 3, 4, 4, seed=1)], [teacher]) > 1e-4


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_kd_is_the_divergence_of_softened_predictions(temperature):
    s, t = randn(5, 7, dtype=torch.float64), randn(5, 7, seed=1, dtype=torch.float64)
    p_s, p_t = (s / temperature).softmax(1), (t / temperature).softmax(1)
    expected = (p_t * (p_t / p_s).log()).sum(1).mean() * temperature**2
    assert kd_loss(s, t, temperature).item() == pytest.approx(expected.item())
    assert kd_loss(t, t, temperature).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("temperature", [0, -1, math.nan])
def test_kd_refuses_a_temperature_that_is_not_positive(temperature):
    logits = torch.zeros(3, 5)
    for loss in (kd_loss, partial(_guided, labels=LABELS)):
        with pytest.raises(DistillError, match="temperature is"):
            loss(logits, logits, temperature)


def _guided(student, teacher, temperature, labels):
    return guided_kd_loss(student, teacher, labels, temperature)


@pytest.mark.parametrize("teacher", [(3, 1), (1, 5), (3, 4), (3, 5, 1)])
def test_kd_refuses_logits_that_only_broadcast(teacher):
    with pytest.raises(DistillError, match="expected the same"):
        kd_loss(torch.zeros(3, 5), torch.zeros(teacher), 4.0)


def test_guided_kd_is_kd_over_what_the_teacher_gets_right():
    student, teacher = randn(6, 4), randn(6, 4, seed=1)
    labels = teacher.argmax(1)
    labels[[1, 4]] = (labels[[1, 4]] + 1) % 4
    right = torch.tensor([0, 2, 3, 5])
    expected = kd_loss(student[right], teacher[right], 4.0)
    assert guided_kd_loss(student, teacher, labels, 4.0).item() == pytest.approx(expected.item())
    everywhere = guided_kd_loss(student, teacher, teacher.argmax(1), 4.0)
    assert everywhere.item() == pytest.approx(kd_loss(student, teacher, 4.0).item())


def test_guided_kd_is_zero_where_the_teacher_is_right_nowhere():
    student, teacher = randn(3, 4).requires_grad_(), F.one_hot(LABELS, 4) * 200.0
    loss = guided_kd_loss(student, teacher, LABELS + 1, 1.0)
    loss.backward()
    assert loss.item() == 0
    assert (student.grad == 0).all()


def test_guided_kd_of_a_student_that_overflows_only_where_the_teacher_is_wrong():
    teacher = F.one_hot(LABELS, 4) * 5.0
    student = randn(3, 4)
    student[2] = torch.tensor([math.inf, 0.0, 0.0, 0.0])
    labels = torch.tensor([0, 1, 3])
    loss = guided_kd_loss(student, teacher, labels, 1.0)
    assert loss.item() == pytest.approx(kd_loss(student[:2], teacher[:2], 1.0).item())


def test_kd_of_a_confident_teacher_is_exact():
    teacher = torch.tensor([[300.0, 0.0, 0.0]])
    student = torch.tensor([[0.0, 1.0, 2.0]], requires_grad=True)
    loss = kd_loss(student, teacher, 1.0)
    loss.backward()
    expected = F.cross_entropy(student.detach(), torch.tensor([0]))
    assert loss.item() == pytest.approx(expected.item())
    assert student.grad.isfinite().all()
