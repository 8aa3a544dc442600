"""Ten steps of lrdv2's warm-up are those of the plain formula, switched-off losses included."""

import copy

import pytest
import torch
import torch.nn.functional as F
from conftest import seeded

from distill_lib.distiller import Distiller
from distill_lib.losses import channel_loss, kd_loss
from distill_lib.recipes import CD, CE, KD
from distill_lib.schedules import Decay
from distill_lib.taps import TapReader

SPECS = (CE(decay=Decay()), KD(weight=1.0, decay=Decay()), CD(decay=Decay(factor=0.9)))
OPTIMISER = {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}


def batches():
    generator = seeded(5)
    for _ in range(10):
        images = torch.randn(4, 3, 32, 32, generator=generator)
        yield images, torch.randint(10, (4,), generator=generator)


def distilled(teacher, student):
    return Distiller(teacher, student, [spec.build(100) for spec in SPECS])


@pytest.fixture
def started(teacher, student):
    """The Distiller before and after ten steps of epoch 1."""
    distiller = distilled(teacher, student)
    before = copy.deepcopy(distiller)
    optimizer = torch.optim.SGD(distiller.parameters(), **OPTIMISER)
    for images, labels in batches():
        step = distiller(images, labels, epoch=1)
        optimizer.zero_grad()
        step.loss.backward()
        assert all(parameter.grad is not None for parameter in distiller.parameters())
        assert step.parts["ce"] == step.parts["kd"] == 0
        assert min(step.raw["ce"], step.raw["kd"], step.parts["cd"]) > 0
        optimizer.step()
    return before, distiller


def test_parameters_equal_those_of_a_plain_loop(started, teacher):
    before, after = started
    student, connectors = before.student, before.terms[2].connectors
    term = before.terms[2]
    read_t, read_s = (
        TapReader(model, taps)
        for model, taps in ((teacher, term.teacher_taps), (student, term.student_taps))
    )
    optimizer = torch.optim.SGD([*student.parameters(), *connectors.parameters()], **OPTIMISER)
    teacher.eval()
    for images, labels in batches():
        with torch.no_grad():
            logits_t = teacher(images)
        logits_s = student(images)
        pairs = zip(connectors, read_s.take().values(), strict=True)
        features = [connect(x) for connect, x in pairs]
        cd = channel_loss(features, list(read_t.take().values()))
        ce, kd = F.cross_entropy(logits_s, labels), kd_loss(logits_s, logits_t, 4.0)
        optimizer.zero_grad()
        (0 * ce + 0 * kd + 6 * cd).backward()
        optimizer.step()
    expected = before.state_dict()
    for name, value in after.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0, msg=name)


def test_the_classifier_moves_by_weight_decay_and_momentum_alone(started):
    before, after = started
    weight, velocity = before.student.fc.weight.detach().clone(), 0.0
    for _ in range(10):
        velocity = OPTIMISER["momentum"] * velocity + OPTIMISER["weight_decay"] * weight
        weight = weight - OPTIMISER["lr"] * velocity
    assert not torch.equal(weight, before.student.fc.weight)
    torch.testing.assert_close(after.student.fc.weight.detach(), weight)


def test_after_the_warm_up_every_loss_acts(teacher, student, batch):
    distiller = distilled(teacher, student)
    weights = {
        epoch: [term.weight_at(epoch) for term in distiller.terms] for epoch in (1, 30, 31, 100)
    }
    assert weights[1] == [0, 0, 6]
    assert weights[30] == pytest.approx([0, 0, 5.4])
    assert weights[31] == pytest.approx([1, 1, 5.4])
    assert weights[100] == pytest.approx([1, 1, 4.374])
    step = distiller(*batch, epoch=31)
    step.loss.backward()
    assert min(step.parts.values()) > 0
    assert (student.fc.weight.grad != 0).any()
