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
    dkd_loss,
    guided_kd_loss,
    hint_loss,
    kd_loss,
    overhaul_loss,
    partial_l2,
    rkd_angle_loss,
    rkd_distance_loss,
    rkd_loss,
)
from distill_lib.losses.overhaul import feature_distance

HALVES = [torch.float16, torch.bfloat16]
LABELS = torch.tensor([0, 1, 2])


def randn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("cached", [1, 24, 50, 10**6])
def test_partial_l2_in_parts_is_the_whole(monkeypatch, cached):
    monkeypatch.setattr("distill_lib.losses.overhaul.CACHED", cached)
    student, teacher = randn(7, 3, 2, 4).requires_grad_(), randn(7, 3, 2, 4, seed=1)
    counts = (student > teacher) | (teacher > 0)
    whole = ((student - teacher).square() * counts).sum()
    (expected,) = torch.autograd.grad(whole, student)
    loss = partial_l2(student, teacher)
    loss.backward()
    torch.testing.assert_close(loss, whole)
    torch.testing.assert_close(student.grad, expected)


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


@pytest.mark.parametrize(
    ("distance", "plain"),
    [
        ("partial_l2", lambda s, t: 0.0 if s <= t <= 0 else (s - t) ** 2),
        ("l2", lambda s, t: (s - t) ** 2),
        ("l1", lambda s, t: abs(s - t)),
    ],
)
def test_a_distance_is_its_plain_sum(distance, plain):
    s, t = (randn(4, 3, 2, 2, seed=seed, dtype=torch.float64) for seed in (0, 1))
    pairs = zip(s.flatten().tolist(), t.flatten().tolist(), strict=True)
    expected = sum(plain(*pair) for pair in pairs)
    assert feature_distance(s, t, distance).item() == pytest.approx(expected, rel=1e-12)
    loss = partial(feature_distance, teacher=t, distance=distance)
    assert torch.autograd.gradcheck(loss, s.requires_grad_())
    margins = [torch.full((3,), -math.inf)]  # of a margin below everything nothing is cut
    over_taps = overhaul_loss([s], [t], margins, [2.0], distance)
    assert over_taps.item() == pytest.approx(expected / 2, rel=1e-12)


def test_an_unknown_distance_is_refused():
    with pytest.raises(DistillError, match="(?s)unknown distance 'l3'.*l2"):
        feature_distance(torch.zeros(1), torch.zeros(1), "l3")


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
        hint = hint_loss([s], [t.to(dtype)])
        logits = s[0, 0] * 100
        softened = kd_loss(logits, -logits, 4.0)
        decoupled = dkd_loss(logits, -logits, torch.arange(100), 1.0, 8.0, 4.0)
        relations = rkd_loss(logits, -logits)
        squares, absolute = (feature_distance(s, t.to(dtype), kind) for kind in ("l2", "l1"))
    on_features = (loss, over_taps, channels, attention, hint, squares, absolute)
    for value in (*on_features, softened, decoupled, relations):
        assert value.dtype == torch.float32
        assert value.isfinite()
    assert hint.item() == pytest.approx(0.125**2)
    assert loss.item() == pytest.approx(100_000 * 0.125**2, rel=1e-5)
    assert over_taps.item() == squares.item() == pytest.approx(loss.item())
    assert absolute.item() == pytest.approx(100_000 * 0.125, rel=1e-5)
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
        lambda s: dkd_loss(s[:, :, 0, 0], randn(2, 3, seed=1), LABELS[:2], 1.0, 8.0, 4.0),
        lambda s: hint_loss([s], [randn(2, 3, 2, 2, seed=1, dtype=torch.float64)]),
        lambda s: rkd_loss(s.reshape(6, 4), randn(6, 5, seed=1, dtype=torch.float64)),
    ],
    ids="partial_l2 overhaul channel attention kd guided_kd dkd hint rkd".split(),
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
    for distance in ("l2", "l1"):
        with pytest.raises(FeatureError, match="differ: expected equal shapes"):
            feature_distance(student, teacher, distance)
    with pytest.raises(DistillError):
        overhaul_loss([student], [teacher], [margin])


@pytest.mark.parametrize("teacher", [(2, 1, 4, 4), (1, 8, 4, 4), (2, 4, 4, 4)])
def test_channel_loss_refuses_other_channels_or_batches(teacher):
    with pytest.raises(FeatureError, match="expected equal shapes"):
        channel_loss([torch.zeros(2, 8, 4, 4)], [torch.zeros(teacher)])


@pytest.mark.parametrize("teacher", [(2, 4, 1, 1), (1, 4, 4, 4), (2, 4, 2, 2), (2, 4, 2, 8)])
def test_attention_loss_refuses_other_positions_or_batches(teacher):
    with pytest.raises(FeatureError, match="expected equal shapes"):
        attention_loss([torch.zeros(2, 8, 4, 4)], [torch.zeros(teacher)])


@pytest.mark.parametrize("loss", [channel_loss, attention_loss, hint_loss])
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
        lambda s, t: dkd_loss(s.flatten(1), t.flatten(1), LABELS[:2], 1.0, 8.0, 4.0),
        lambda s, t: hint_loss([s], [t]),
        lambda s, t: rkd_loss(s, t),
    ],
    ids="overhaul channel attention kd guided_kd dkd hint rkd".split(),
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


def test_a_class_that_the_teacher_excludes_adds_nothing():
    teacher = torch.tensor([[0.0, -torch.inf, 1.0]])
    student = torch.zeros(1, 3, requires_grad=True)
    labels = torch.tensor([2])
    value = kd_loss(student, teacher, 1.0)
    (gradient,) = torch.autograd.grad(value, student)
    softened = teacher.softmax(1)
    plain = F.kl_div(student.log_softmax(1), softened, reduction="batchmean")
    torch.testing.assert_close(value, plain)
    torch.testing.assert_close(gradient, student.softmax(1) - softened)
    torch.testing.assert_close(guided_kd_loss(student, teacher, labels, 1.0), plain)
    assert dkd_loss(student, teacher, labels, 1.0, 8.0, 1.0).isfinite()


def test_a_teacher_that_is_nan_is_not_taken_for_one_that_excludes():
    assert kd_loss(torch.zeros(1, 3), torch.full((1, 3), torch.nan), 1.0).isnan()


def test_kd_of_a_confident_teacher_is_exact():
    teacher = torch.tensor([[300.0, 0.0, 0.0]])
    student = torch.tensor([[0.0, 1.0, 2.0]], requires_grad=True)
    loss = kd_loss(student, teacher, 1.0)
    loss.backward()
    expected = F.cross_entropy(student.detach(), torch.tensor([0]))
    assert loss.item() == pytest.approx(expected.item())
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("labels", [(3, 1), (1,), (4,), ()])
def test_labels_that_only_broadcast_are_refused(labels):
    logits, labels = torch.zeros(3, 5), torch.zeros(labels, dtype=torch.int64)
    with pytest.raises(DistillError, match="one for each sample"):
        guided_kd_loss(logits, logits, labels, 1.0)
    with pytest.raises(DistillError, match="one for each sample"):
        dkd_loss(logits, logits, labels, 1.0, 8.0, 4.0)


def test_labels_may_be_any_integers_and_nothing_else():
    logits, labels = torch.randn(3, 5), torch.tensor([0, 4, 2])
    expected = dkd_loss(logits, -logits, labels, 1.0, 8.0, 4.0)
    assert torch.equal(dkd_loss(logits, -logits, labels.to(torch.uint8), 1.0, 8.0, 4.0), expected)
    with pytest.raises(DistillError, match="float32 labels.*class indices"):
        dkd_loss(logits, -logits, labels.float(), 1.0, 8.0, 4.0)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_dkd_is_the_plain_formula(temperature):
    s, t = randn(5, 4, dtype=torch.float64), randn(5, 4, seed=1, dtype=torch.float64)
    labels = torch.tensor([0, 3, 1, 1, 2])
    target = others = 0.0
    for logits_s, logits_t, label in zip(s, t, labels, strict=True):
        p_s, p_t = (logits_s / temperature).softmax(0), (logits_t / temperature).softmax(0)
        target += p_t[label] * (p_t[label] / p_s[label]).log()
        target += (1 - p_t[label]) * ((1 - p_t[label]) / (1 - p_s[label])).log()
        rest = [k for k in range(4) if k != label]
        q_s, q_t = p_s[rest] / p_s[rest].sum(), p_t[rest] / p_t[rest].sum()
        others += (q_t * (q_t / q_s).log()).sum()
    for alpha, beta in ((1.0, 0.0), (0.0, 1.0), (1.0, 8.0)):
        expected = (alpha * target + beta * others).item() / 5 * temperature**2
        found = dkd_loss(s, t, labels, alpha, beta, temperature).item()
        assert found == pytest.approx(expected)


def test_kd_is_dkd_with_the_weight_that_it_couples():
    s, t, label = randn(1, 6), randn(1, 6, seed=1), torch.tensor([2])
    beta = 1 - (t / 4).softmax(1)[0, 2].item()
    expected = kd_loss(s, t, 4.0).item()
    assert dkd_loss(s, t, label, 1.0, beta, 4.0).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32])
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_dkd_of_a_saturated_student_is_finite(dtype, size):
    student = (F.one_hot(LABELS, 5) * size).to(dtype).requires_grad_()
    for teacher in (randn(3, 5), F.one_hot(LABELS, 5) * -size, F.one_hot(LABELS, 5) * size):
        student.grad = None
        loss = dkd_loss(student, teacher.to(dtype), LABELS, 1.0, 8.0, 1.0)
        loss.backward()
        assert loss.isfinite()
        assert student.grad.isfinite().all()
    wrong = F.one_hot(LABELS, 5) * -size
    # The teacher is as sure of the contrary: the whole difference of the logits.
    exact = dkd_loss(student, wrong.to(dtype), LABELS, 1.0, 0.0, 1.0).item()
    assert exact == pytest.approx(1e4, rel=1e-2)


def test_dkd_needs_two_classes():
    with pytest.raises(DistillError, match="two classes"):
        dkd_loss(torch.zeros(3, 1), torch.zeros(3, 1), LABELS * 0, 1.0, 8.0, 4.0)
    assert dkd_loss(randn(3, 2), randn(3, 2), LABELS % 2, 1.0, 8.0, 4.0).item() == 0


def test_hint_is_the_mean_of_squares_summed_over_taps():
    shapes = [(2, 3, 4, 4), (2, 5, 2, 2)]
    students = [randn(*shape) for shape in shapes]
    teachers = [randn(*shape, seed=1) for shape in shapes]
    expected = sum(
        (s.double() - t.double()).square().sum().item() / s.numel()
        for s, t in zip(students, teachers, strict=True)
    )
    assert hint_loss(students, teachers).item() == pytest.approx(expected)
    with pytest.raises(FeatureError, match="expected equal shapes"):
        hint_loss([torch.zeros(2, 3, 4, 4)], [torch.zeros(2, 3, 1, 4)])


def huber(difference: float) -> float:
    return difference**2 / 2 if abs(difference) < 1 else abs(difference) - 0.5


def plain_relations(embeddings):
    """Distances over their mean, and cosines at j between i and k, pair by pair in float64."""
    x = embeddings.double()
    n = range(len(x))
    distances = {(i, j): (x[i] - x[j]).norm().item() for i in n for j in n}
    mean = sum(distances.values()) / (len(x) * (len(x) - 1))
    cosines = {
        (j, i, k): F.cosine_similarity(x[i] - x[j], x[k] - x[j], dim=0).item()
        for j in n
        for i in n
        for k in n
    }
    return {pair: value / mean for pair, value in distances.items()}, cosines


def test_rkd_is_the_plain_formula():
    s, t = randn(5, 3) ** 3, randn(5, 4, seed=1)
    losses, largest = [], 0.0
    for of_s, of_t in zip(plain_relations(s), plain_relations(t), strict=True):
        differences = [of_s[key] - of_t[key] for key in of_s]
        losses.append(sum(map(huber, differences)) / len(differences))
        largest = max(largest, *differences)
    assert largest > 1  # both branches of Huber are met
    assert rkd_distance_loss(s, t).item() == pytest.approx(losses[0], rel=1e-5)
    assert rkd_angle_loss(s, t).item() == pytest.approx(losses[1], rel=1e-5)
    features = [x[:, :, None, None] + torch.tensor([[-1.0, 1.0]]) for x in (s, t)]
    expected = 25 * losses[0] + 50 * losses[1]
    assert rkd_loss(*features).item() == pytest.approx(expected, rel=1e-4)
    assert rkd_loss(*features, distance=1.0, angle=0.0).item() == pytest.approx(losses[0], rel=1e-4)


@pytest.mark.parametrize("loss", [rkd_distance_loss, rkd_angle_loss])
def test_rkd_ignores_scale_and_place(loss):
    s, t = (randn(6, 4, seed=i).mul(256).round() / 256 for i in range(2))
    assert loss(8 * s, s).item() == pytest.approx(0, abs=1e-10)
    # All of these numbers are exact in float32; x² + y² - 2xy would lose every digit.
    assert loss(s + 8192, t).item() == pytest.approx(loss(s, t).item(), rel=1e-4)


@pytest.mark.parametrize("loss", [rkd_distance_loss, rkd_angle_loss, rkd_loss])
@pytest.mark.parametrize("rows", [[0], [0, 0], [0, 0, 0, 0], [0, 0, 1, 2]])
def test_rkd_of_one_sample_or_identical_ones(loss, rows):
    student = randn(3, 4)[rows].requires_grad_()
    value = loss(student, randn(len(rows), 5, seed=1))
    value.backward()
    assert value.isfinite()
    assert student.grad.isfinite().all()
    if len(rows) == 1:
        assert value.item() == 0
    if len(set(rows)) == 1:
        assert (student.grad == 0).all()


@pytest.mark.parametrize("loss", [rkd_distance_loss, rkd_angle_loss])
def test_rkd_needs_embeddings_of_one_batch(loss):
    for teacher in (torch.zeros(3, 4), torch.zeros(2, 4, 1, 1)):
        with pytest.raises(FeatureError, match=r"(?s)of one batch.*spatial means"):
            loss(torch.zeros(2, 4), teacher)


def test_angles_are_not_multiplied_in_half_precision():
    s, t = randn(6, 4), randn(6, 4, seed=1)
    with torch.autocast("cpu", torch.bfloat16):
        found = rkd_angle_loss(s, t)
    assert torch.equal(found, rkd_angle_loss(s, t))


@pytest.mark.parametrize(
    "loss",
    [
        lambda s, t: channel_loss([s], [t]),
        lambda s, t: attention_loss([s], [t]),
        lambda s, t: hint_loss([s], [t]),
        lambda s, t: dkd_loss(s.flatten(1), t.flatten(1), LABELS[:1], 1.0, 8.0, 4.0),
        lambda s, t: guided_kd_loss(s.flatten(1), t.flatten(1), LABELS[:1], 4.0),
    ],
)
def test_a_batch_of_one(loss):
    student = randn(1, 3, 2, 2).requires_grad_()
    value = loss(student, randn(1, 3, 2, 2, seed=1))
    value.backward()
    assert value.isfinite()
    assert student.grad.isfinite().all()
