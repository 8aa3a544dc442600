"""Terms: pairing of taps, connectors, margins, weights over epochs."""

import pytest
import torch
from torch import nn

from distill_lib import margin_from_batch_norm, margin_from_data
from distill_lib.distiller import Distiller
from distill_lib.errors import DistillError, FeatureError
from distill_lib.losses import overhaul_loss
from distill_lib.measured_margins import weights_digest
from distill_lib.models import build_model
from distill_lib.taps import Tap, find_taps
from distill_lib.terms import (
    CrossEntropy,
    KnowledgeDistillation,
    Outputs,
    Overhaul,
    Term,
    connector,
)


class Bare(nn.Module):
    """A network without batch norms, three resolutions."""

    def __init__(self, width=4, num_classes=10):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(3 if i == 0 else width, width, 3, 1 if i == 0 else 2, 1) for i in range(3)
        )
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(3))
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        for conv, relu in zip(self.convs, self.relus, strict=True):
            x = relu(conv(x))
        return self.fc(x.mean((2, 3)))


def attached(teacher, student, **settings):
    term = Overhaul(**settings)
    term.attach(teacher, student, 32)
    return term


def test_connector_is_convolution_and_batch_norm_alone():
    convolution, norm = connector(16, 32)
    assert convolution.weight.shape == (32, 16, 1, 1)
    assert convolution.bias is None
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.num_features == 32
    wide = torch.cat([connector(64, 512)[0].weight.flatten() for _ in range(4)])
    assert wide.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)  # Kaiming, fan-out


def test_overhaul_pairs_the_taps_of_two_networks(teacher, student):
    term = attached(teacher, student)
    shapes = [tuple(connector[0].weight.shape[:2]) for connector in term.connectors]
    assert shapes == [(32, 16), (64, 32), (128, 64)]
    assert term.divisors == (4, 2, 1)
    for margin, name in zip(
        term.margins, ("block2.layer.0.bn1", "block3.layer.0.bn1", "bn1"), strict=True
    ):
        norm = teacher.get_submodule(name)
        assert torch.equal(margin, margin_from_batch_norm(norm.weight, norm.bias))


def test_tail_reaches_the_margins(teacher, student):
    nn.init.ones_(teacher.bn1.weight)
    nn.init.constant_(teacher.bn1.bias, 10.0)
    paper, exact = (attached(teacher, student, tail=tail) for tail in ("paper", "exact"))
    assert (paper.margins[2] == -3).all()
    assert (exact.margins[2] > -0.1).all()


def test_overhaul_is_the_loss_of_its_parts_divided_by_the_batch(teacher, student, batch):
    term = Overhaul(divisors=[8.0, 3.0, 1.0])
    distiller = Distiller(teacher, student, [term])
    images, labels = batch
    s, t = distiller.run_student(images), distiller.run_teacher(images)
    transformed = [
        connector(s.taps[tap]) for connector, tap in zip(term.connectors, s.taps, strict=True)
    ]
    expected = overhaul_loss(transformed, list(t.taps.values()), term.margins, [8.0, 3.0, 1.0])
    assert term(s, t, labels).item() == pytest.approx(expected.item() / len(images), rel=1e-5)
    assert sum(term.shares(s, t)).item() == pytest.approx(term(s, t, labels).item())


def test_taps_that_differ_in_number(teacher, student):
    with pytest.raises(FeatureError, match=r"(?s)teacher has 3 taps, student 1.*student_taps="):
        attached(teacher, student, student_taps=[Tap("relu")])


def test_taps_that_differ_in_size(teacher, student):
    taps = [Tap("block2.layer.0.relu1"), Tap("relu")]
    with pytest.raises(FeatureError, match=r"(?s)pair 1 of 2.*strides 1 and 4.*of equal size"):
        attached(teacher, student, teacher_taps=taps, student_taps=taps[::-1])


def test_divisors_that_differ_in_number(teacher, student):
    with pytest.raises(FeatureError, match="2 divisors for 3 taps"):
        attached(teacher, student, divisors=(2, 1))


def test_a_teacher_without_batch_norm_is_told_to_measure(student):
    with pytest.raises(FeatureError, match=r"(?s)no batch norm.*margin_from_data"):
        attached(Bare(), Bare())
    affine_free = build_model("wrn_10_1", 10)
    affine_free.bn1 = nn.BatchNorm2d(64, affine=False)
    with pytest.raises(FeatureError, match=r"(?s)pre relu.*margin_from_data"):
        attached(affine_free, student)


def test_measured_margins_are_the_mean_of_negatives():
    teacher = Bare().train()
    taps = find_taps(teacher, 32)
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(n, 3, 32, 32, generator=generator) for n in (5, 3)]
    measured = margin_from_data(teacher, batches, taps)
    first = teacher.convs[0](torch.cat(batches))
    for channel in range(4):
        values = first[:, channel]
        expected = values[values < 0].mean().item() if (values < 0).any() else 0.0
        assert measured.margins[0][channel].item() == pytest.approx(expected, rel=1e-4)
    assert teacher.training
    term = attached(teacher, Bare(2), margins=measured)
    for margin, expected in zip(term.margins, measured.margins, strict=True):
        assert torch.equal(margin, expected)


def test_measured_margins_belong_to_one_teacher(teacher, student):
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    taps = find_taps(teacher, 32)
    measured = margin_from_data(teacher, [images], taps)
    assert measured.teacher_digest == weights_digest(teacher)
    distiller = Distiller(teacher, student, [Overhaul(margins=measured)])
    distiller.refresh_margins()
    with torch.no_grad():
        teacher.bn1.running_mean[0] += 1e-3
    with pytest.raises(FeatureError, match=r"(?s)other weights.*Measure them again"):
        distiller.refresh_margins()
    with pytest.raises(FeatureError, match="other weights"):
        attached(build_model("wrn_10_2", 10), student, margins=measured)
    with pytest.raises(FeatureError, match=r"(?s)measured at .* but the taps are pre relu"):
        relu = [Tap("relu")]
        attached(teacher, student, margins=measured, teacher_taps=relu, student_taps=relu)


def test_measuring_needs_images(teacher):
    with pytest.raises(FeatureError, match="no batch of images"):
        margin_from_data(teacher, [], [Tap("relu")])


def test_margins_follow_weights_that_are_loaded_later(teacher, student):
    target = build_model("wrn_10_2", 10)
    term = attached(target, student)
    before = [margin.clone() for margin in term.margins]
    target.load_state_dict(teacher.state_dict())
    expected = attached(teacher, student).margins
    for old, new, margin in zip(before, term.margins, expected, strict=True):
        assert not torch.equal(old, new)
        assert torch.equal(new, margin)


def test_the_teacher_is_no_part_of_a_term(teacher, student):
    term = attached(teacher, student)
    names = {name.split(".")[0] for name, _ in term.named_parameters()}
    assert names == {"connectors"}
    assert {name.split(".")[0] for name in term.state_dict()} == {
        *("connectors", "margin0", "margin1", "margin2")
    }


def test_weight_over_epochs():
    assert Term(0.5).weight_at(7) == 0.5
    assert Term(0.5, lambda epoch: 1 / epoch).weight_at(4) == 0.125
    assert repr(CrossEntropy(0.25)) == "CrossEntropy(weight=0.25)"
    with pytest.raises(TypeError, match="without a forward"):
        Term(1.0)(None, None, None)


def test_cross_entropy_smooths_and_widens():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    outputs, labels = Outputs(logits.bfloat16()), torch.tensor([0])
    value = CrossEntropy(label_smoothing=0.1)(outputs, None, labels)
    assert value.dtype == torch.float32
    log_p = logits.log_softmax(1)[0]
    expected = -0.9 * log_p[0] - 0.1 * log_p.mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("temperature", [0, -4.0, float("nan")])
def test_a_temperature_is_refused_before_training(temperature):
    with pytest.raises(DistillError, match="temperature is"):
        KnowledgeDistillation(temperature=temperature)
