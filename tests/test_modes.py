"""Whoever only looks at a network leaves a batch norm frozen that was frozen by hand."""

import pytest
from torch import nn

from distill_lib import Distiller, Overhaul, find_taps
from distill_lib.data import load_data
from distill_lib.measured_margins import margin_from_data
from distill_lib.modes import evaluation_mode
from distill_lib.similarity import cka_matrix
from distill_lib.training import evaluate


def freeze_one(model):
    """The whole network in training, and one batch norm of it not."""
    model.train()
    frozen = next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d))
    return frozen.eval()


def few_images():
    data = load_data("fashion", train_limit=10)
    data.test_images, data.test_labels = data.test_images[:50], data.test_labels[:50]
    return data


LOOKS = {
    "evaluate": lambda model, images: evaluate(model, few_images()),
    "find_taps": lambda model, images: find_taps(model, 32),
    "margin_from_data": lambda model, images: margin_from_data(
        model, [images], find_taps(model, 32)
    ),
    "cka_matrix": lambda model, images: cka_matrix(model, model, few_images(), images=50),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_each_part_keeps_its_mode(look, student, batch):
    frozen = freeze_one(student)
    look(student, batch[0])
    assert student.training and not frozen.training


def test_so_does_a_distiller_that_explains_itself(teacher, student, batch):
    distiller = Distiller(teacher, student, [Overhaul()])
    frozen = [freeze_one(student), freeze_one(teacher)]
    distiller.explain(batch[0])
    assert student.training and teacher.training and not any(norm.training for norm in frozen)


def test_the_modes_come_back_after_an_error(student):
    student.train()
    with pytest.raises(ZeroDivisionError), evaluation_mode(student, None):
        assert not any(module.training for module in student.modules())
        _ = 1 / 0
    assert all(module.training for module in student.modules())
