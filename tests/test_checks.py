"""Each check accepts a right function, refuses wrong ones by name, and waits for an open one."""

import math

import pytest
import torch

from distill_lib import checks, margin_from_batch_norm
from distill_lib.checks import check_margin, check_prediction


def term_by_term(weight, bias):
    """The formula as it stands, in the input's own precision."""
    sigma = weight.abs()
    z = bias / sigma
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return bias - sigma * density / ((1 - torch.erf(z / math.sqrt(2))) / 2)


def with_logarithms(weight, bias):
    sigma, mean = weight.abs().double(), bias.double()
    z = mean / sigma
    log_density = -(z**2) / 2 - math.log(2 * math.pi) / 2
    return (mean - sigma * torch.exp(log_density - torch.special.log_ndtr(-z))).float()


def without_modulus(weight, bias):
    """Right for positive weights only."""
    z = bias.double() / weight
    hazard = math.sqrt(2 / math.pi) / torch.special.erfcx(z / math.sqrt(2))
    return (bias - weight * hazard).float()


def verdict(capsys, margin) -> str:
    check_margin(margin)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    "right", [with_logarithms, lambda weight, bias: margin_from_batch_norm(weight, bias, "exact")]
)
def test_a_right_margin(capsys, right):
    assert verdict(capsys, right) == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (term_by_term, "wrong at bias/weight = 14: got "),
        (margin_from_batch_norm, "wrong at bias/weight = 4: got -0.6000, want -0.0451"),
        (without_modulus, "wrong at weight = -0.5, bias = 0.5: got "),
        (lambda weight, bias: bias, "wrong at bias/weight = 0: got 0.0000, want -0.7979"),
        (lambda weight, bias: bias * math.nan, "wrong at bias/weight = 0: got nan"),
        (lambda weight, bias: bias.sum(), "wrong at bias/weight = 0: got shape (), want (1,)"),
        (lambda weight, bias: None, "wrong at bias/weight = 0: got a NoneType, want a tensor"),
        (lambda weight: weight, "wrong at bias/weight = 0: your function raised TypeError"),
    ],
)
def test_a_wrong_margin_is_told_where(capsys, wrong, where):
    assert verdict(capsys, wrong).startswith(where)


def test_an_open_margin(capsys):
    assert verdict(capsys, lambda weight, bias: ...) == checks.NOT_ATTEMPTED


TOP1 = {"plain": 60.0, "kd": 61.0, "ofd": 70.0}


@pytest.mark.parametrize(
    ("prediction", "answer"),
    [
        (["ofd", "kd", "plain"], "as you predicted"),
        (["ofd", "plain", "kd"], "not as you predicted: 1 of 3 places right"),
        (["kd", "plain", "ofd"], "not as you predicted: 0 of 3 places right"),
        (["ofd", "kd"], "no order of kd, ofd, plain"),
        ("ofd", "no order of kd, ofd, plain"),
        (..., checks.NOT_ATTEMPTED),
    ],
)
def test_a_prediction(capsys, prediction, answer):
    check_prediction(prediction, TOP1)
    said = capsys.readouterr().out
    assert said.startswith(answer)
    assert "OFD 70.0 % > KD 61.0 % > alone 60.0 %" in said
    assert "KD and alone are 1.0 points apart" in said
    assert "OFD and KD are" not in said
