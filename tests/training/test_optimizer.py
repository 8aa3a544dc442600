"""Groups of learning rates, the poly schedule, and an epoch for the connectors alone."""

from dataclasses import replace

import pytest
import torch

from distill_lib import Distiller, Overhaul
from distill_lib.errors import DistillError
from distill_lib.recipes import Optim
from distill_lib.terms import CrossEntropy
from distill_lib.training.build import build
from distill_lib.training.optimizer import (
    build_optimizer,
    hold_student,
    learning_rate,
    set_rate,
)

from .helpers import run_tiny, tiny_data, tiny_net, tiny_recipe, tiny_teacher

HEADS = Optim(lr=0.1, schedule="poly", lr_factors=(("student.9", 10.0), ("terms", 5.0)))


def tiny_distiller(*terms) -> Distiller:
    terms = terms or (CrossEntropy(), Overhaul(1e-2))
    return Distiller(tiny_teacher(), tiny_net(4, seed=3), terms, image_size=16)


def test_each_group_trains_at_its_multiple_of_the_rate():
    distiller = tiny_distiller()
    optimizer = build_optimizer(distiller, HEADS)
    set_rate(optimizer, 0.02)
    rates = {id(p): g["lr"] for g in optimizer.param_groups for p in g["params"]}
    named = dict(distiller.named_parameters())
    assert len(rates) == len(named)
    for name, parameter in named.items():
        factor = 10 if name.startswith("student.9") else 5 if name.startswith("terms") else 1
        assert rates[id(parameter)] == pytest.approx(0.02 * factor)


def test_a_group_that_names_no_parameter_is_refused():
    optim = replace(HEADS, lr_factors=(("student.decoder", 10.0),))
    with pytest.raises(DistillError, match=r"student\.decoder"):
        build_optimizer(tiny_distiller(), optim)


def test_a_student_alone_may_keep_the_connectors_factor():
    distiller = Distiller(None, tiny_net(4, seed=3), [CrossEntropy()], image_size=16)
    assert len(build_optimizer(distiller, HEADS).param_groups) == 2


def test_poly_falls_from_the_rate_to_zero():
    rates = [learning_rate(HEADS, 1 + s // 5, s, epochs=2, steps=5) for s in range(10)]
    assert rates == pytest.approx([0.1 * (1 - s / 10) ** 0.9 for s in range(10)])


def test_the_first_epoch_trains_the_connectors_alone(tmp_path):
    optim = replace(tiny_recipe().optim, connectors_first=1)
    start = tiny_net(4, seed=3, dropout=0.2).state_dict()
    held = run_tiny(tmp_path / "held", optim=optim, epochs=1)
    student = held.distiller.student.state_dict()
    moved = {name for name in start if not torch.equal(student[name], start[name])}
    assert moved and all("running" in name or "num_batches" in name for name in moved)
    parts = build(
        tiny_recipe(), teacher=tiny_teacher(), student=tiny_net(4, seed=3), data=tiny_data()
    )
    first, trained = (d.terms[1].connectors[0][0].weight for d in (parts.distiller, held.distiller))
    assert first.shape == trained.shape and not torch.equal(first, trained)
    after = run_tiny(tmp_path / "after", optim=optim, epochs=2).distiller.student.state_dict()
    assert all(not torch.equal(after[name], start[name]) for name in start if "weight" in name)


def test_more_epochs_of_connectors_than_there_are_is_refused():
    with pytest.raises(DistillError, match="connectors_first is 4; expected 0 to 3 epochs"):
        tiny_recipe(optim=replace(tiny_recipe().optim, connectors_first=4))


def test_held_parameters_keep_their_momentum():
    distiller = tiny_distiller()
    optim = Optim(connectors_first=1)
    optimizer = build_optimizer(distiller, optim)
    distiller(torch.randn(8, 3, 16, 16), torch.arange(8) % 4).loss.backward()
    hold_student(distiller, optim, epoch=1)
    optimizer.step()
    trained = {id(p) for p in optimizer.state}
    assert trained == {id(p) for p in distiller.terms.parameters()}


def test_connectors_first_without_connectors_is_refused():
    distiller = tiny_distiller(CrossEntropy())
    with pytest.raises(DistillError, match="no term has a connector"):
        build_optimizer(distiller, Optim(connectors_first=1))


def test_default_settings_stay_out_of_a_record(tmp_path):
    record = run_tiny(tmp_path, epochs=1)
    assert "lr_factors" not in record.recipe["optim"] and "pretrained" not in record.recipe
    assert not [key for key in record.identity if "factor" in key or "pretrained" in key]
