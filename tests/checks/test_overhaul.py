"""The check of notebook 06 accepts a right loss and says where a wrong one goes wrong."""

import pytest
import torch
import torch.nn.functional as F

from distill_lib import checks, margin_from_batch_norm, margin_relu, partial_l2
from distill_lib.checks import check_overhaul


def answer_of(student, convolution):
    return F.batch_norm(F.conv2d(student, convolution), None, None, training=True)


def with_the_library(student, teacher, convolution, weight, bias):
    target = margin_relu(teacher, margin_from_batch_norm(weight, bias))
    return partial_l2(answer_of(student, convolution), target) / len(student)


def step_by_step(student, teacher, convolution, weight, bias):
    mapped = torch.einsum("nshw,ts->nthw", student, convolution.flatten(1))
    centred = mapped - mapped.mean((0, 2, 3), keepdim=True)
    answer = centred / (centred.square().mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()
    z = bias / weight.abs()
    density = torch.exp(-(z**2) / 2) / (2 * torch.pi) ** 0.5
    margin = bias - weight.abs() * density / torch.special.ndtr(-z)
    target = torch.maximum(teacher, margin.view(1, -1, 1, 1))
    counts = (answer > target) | (target > 0)
    return torch.where(counts, answer - target, 0).square().sum() / len(student)


def with_relu(student, teacher, convolution, weight, bias):
    return partial_l2(answer_of(student, convolution), teacher.relu()) / len(student)


def with_plain_l2(student, teacher, convolution, weight, bias):
    target = margin_relu(teacher, margin_from_batch_norm(weight, bias))
    return (answer_of(student, convolution) - target).square().sum() / len(student)


def without_batch_norm(student, teacher, convolution, weight, bias):
    target = margin_relu(teacher, margin_from_batch_norm(weight, bias))
    return partial_l2(F.conv2d(student, convolution), target) / len(student)


def margin_along_the_columns(student, teacher, convolution, weight, bias):
    target = torch.maximum(teacher, margin_from_batch_norm(weight, bias))
    return partial_l2(answer_of(student, convolution), target) / len(student)


def without_modulus(student, teacher, convolution, weight, bias):
    z = bias / weight
    density = torch.exp(-(z**2) / 2) / (2 * torch.pi) ** 0.5
    margin = bias - weight * density / torch.special.ndtr(-z)
    return partial_l2(answer_of(student, convolution), margin_relu(teacher, margin)) / len(student)


def the_sum(*inputs):
    return with_the_library(*inputs) * len(inputs[0])


def nearly(*inputs):
    return with_the_library(*inputs) * (1 + 1e-5)


def verdict(capsys, loss) -> str:
    check_overhaul(loss)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize("right", [with_the_library, step_by_step])
def test_a_right_loss(capsys, right):
    assert verdict(capsys, right) == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (without_batch_norm, "wrong at one image, the teacher positive everywhere: got "),
        (nearly, "wrong at one image, the teacher positive everywhere: got "),
        (with_relu, "wrong at two images, the teacher negative everywhere: got "),
        (with_plain_l2, "wrong at two images, the teacher negative everywhere: got "),
        (the_sum, "wrong at two images, the teacher negative everywhere: got "),
        (margin_along_the_columns, "wrong at two images, the teacher negative everywhere: got "),
        (without_modulus, "wrong at negative batch-norm weights: got "),
    ],
)
def test_a_wrong_loss_is_told_where(capsys, wrong, where):
    assert verdict(capsys, wrong).startswith(where)


def test_an_open_loss(capsys):
    assert verdict(capsys, lambda *inputs: ...) == checks.NOT_ATTEMPTED
