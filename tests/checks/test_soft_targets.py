"""The KD loss: right ways pass, the usual slips are told where they show."""

import pytest
import torch.nn.functional as F

from distill_lib import checks, kd_loss
from distill_lib.checks import check_kd


def with_batchmean(student, teacher, temperature):
    log_p_s = F.log_softmax(student / temperature, dim=1)
    p_t = F.softmax(teacher / temperature, dim=1)
    return temperature**2 * F.kl_div(log_p_s, p_t, reduction="batchmean")


def with_mean(student, teacher, temperature):
    """K times too small."""
    return with_batchmean(student, teacher, temperature) / student.shape[1]


def times_ten(student, teacher, temperature):
    """Right for ten classes only."""
    return 10 * with_mean(student, teacher, temperature)


def without_square(student, teacher, temperature):
    return with_batchmean(student, teacher, temperature) / temperature**2


def summed(student, teacher, temperature):
    return with_batchmean(student, teacher, temperature) * len(student)


def eight_images(student, teacher, temperature):
    return summed(student, teacher, temperature) / 8


def log_of_softmax(student, teacher, temperature):
    p_t, p_s = (F.softmax(logits / temperature, dim=1) for logits in (teacher, student))
    return temperature**2 * (p_t * (p_t.log() - p_s.log())).sum(1).mean()


def log_of_teacher(student, teacher, temperature):
    p_t = F.softmax(teacher / temperature, dim=1)
    log_p_s = F.log_softmax(student / temperature, dim=1)
    return temperature**2 * (p_t * (p_t.log() - log_p_s)).sum(1).mean()


@pytest.mark.parametrize("right", [with_batchmean, kd_loss])
def test_a_right_loss(capsys, right):
    check_kd(right)
    assert capsys.readouterr().out.strip() == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (with_mean, "wrong at 8 images, 10 classes, T = 1: got "),
        (times_ten, "wrong at 8 images, 100 classes, T = 4: got "),
        (without_square, "wrong at 8 images, 10 classes, T = 4: got "),
        (summed, "wrong at 8 images, 10 classes, T = 1: got "),
        (eight_images, "wrong at 3 images, 10 classes, T = 4: got "),
        (log_of_softmax, "wrong at a student that is very sure, T = 1: got "),
        (log_of_teacher, "wrong at a teacher that is very sure, T = 1: got nan"),
        (lambda s, t, temperature: kd_loss(t, s, temperature), "wrong at 8 images, 10 classes"),
        (lambda s, t, temperature: s, "wrong at 8 images, 10 classes, T = 1: got shape (8, 10)"),
    ],
)
def test_a_wrong_loss_is_told_where(capsys, wrong, where):
    check_kd(wrong)
    assert capsys.readouterr().out.startswith(where)


def test_an_open_loss(capsys):
    check_kd(lambda student, teacher, temperature: ...)
    assert capsys.readouterr().out.strip() == checks.NOT_ATTEMPTED
