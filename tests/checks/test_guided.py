"""The check of notebook 09 accepts a right loss and says where a wrong one goes wrong."""

import pytest
import torch
import torch.nn.functional as F

from distill_lib import checks, guided_kd_loss
from distill_lib.checks import check_guided


def divergence(student, teacher):
    log_q, log_p = student.log_softmax(1), teacher.log_softmax(1)
    return F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(1)


def with_the_library(student, teacher, labels):
    return guided_kd_loss(student, teacher, labels, 1.0)


def chosen(student, teacher, labels):
    right = teacher.argmax(1) == labels
    return divergence(student[right], teacher[right]).sum() / max(1, int(right.sum()))


def mean_of_the_right(student, teacher, labels):
    right = teacher.argmax(1) == labels
    return divergence(student, teacher)[right].mean()


def zero_without_graph(student, teacher, labels):
    right = teacher.argmax(1) == labels
    if not right.any():
        return torch.tensor(0.0)
    return divergence(student, teacher)[right].mean()


def guarded_too_late(student, teacher, labels):
    right = teacher.argmax(1) == labels
    mean = (right * divergence(student, teacher)).sum() / right.sum()
    return torch.where(right.any(), mean, 0.0)


def plain_kd(student, teacher, labels):
    return divergence(student, teacher).mean()


def divided_by_the_batch(student, teacher, labels):
    right = teacher.argmax(1) == labels
    return torch.where(right, divergence(student, teacher), 0).sum() / len(labels)


def zeros_set_to_one(student, teacher, labels):
    right = teacher.argmax(1) == labels
    p = teacher.softmax(1)
    p = torch.where(p == 0, 1.0, p)
    every = (p * (p.log() - student.log_softmax(1))).sum(1)
    return torch.where(right, every, 0).sum() / right.sum().clamp_min(1)


def where_the_student_is_right(student, teacher, labels):
    return chosen(student, teacher, torch.where(student.argmax(1) == labels, labels, -1))


def verdict(capsys, loss) -> str:
    check_guided(loss)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize("right", [with_the_library, chosen])
def test_a_right_loss(capsys, right):
    assert verdict(capsys, right) == checks.CORRECT


ALL, THREE, ONE, NONE = (
    f"wrong at {n} samples, the teacher right in {how}: "
    for n, how in ((4, "all"), (4, "three"), (8, "one"), (4, "none"))
)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (where_the_student_is_right, ALL),
        (plain_kd, f"{THREE}got "),
        (divided_by_the_batch, f"{THREE}got "),
        (mean_of_the_right, f"{NONE}got nan, want 0.0000"),
        (zero_without_graph, f"{NONE}the value is right, but backward() fails"),
        (guarded_too_late, f"{NONE}the value is right, but the gradient by logit 0 of "),
        (zeros_set_to_one, "wrong at a teacher that is very sure: got "),
    ],
)
def test_a_wrong_loss_is_told_where(capsys, wrong, where):
    assert verdict(capsys, wrong).startswith(where)


def test_an_open_loss(capsys):
    assert verdict(capsys, lambda *batch: ...) == checks.NOT_ATTEMPTED
