"""The check of notebook 15 accepts real pairs and says what is wrong with others."""

import pytest

from distill_lib import Tap, build_model, checks
from distill_lib.checks import check_own_pair

TEACHER = [Tap("block3.layer.0.relu1"), Tap("relu")]  # strides 2 and 4
TAPS = [Tap("relu"), Tap("layer1.1.relu")]


def resnet(classes=10):
    return build_model("resnet18", classes)


def a_resnet():
    return resnet(), TEACHER, TAPS, Tap("layer3.1.relu")


def verdict(capsys, pair) -> str:
    check_own_pair(pair)
    return capsys.readouterr().out.strip()


def test_a_right_pair(capsys):
    assert verdict(capsys, a_resnet) == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: (resnet(), TEACHER, TAPS), "wrong: want student, teacher_taps"),
        (lambda: (resnet(), TEACHER, TAPS, "relu"), "wrong: want student, teacher_taps"),
        (lambda: (build_model("wrn_10_1", 10), TEACHER, TEACHER, TEACHER[0]), "wrong: the student"),
        (lambda: (build_model("mobilenet_v2", 10), *a_resnet()[1:]), "wrong: the student"),
        (lambda: (resnet(), TEACHER[:1], TAPS[:1], TAPS[0]), "wrong: 1 pair; want two"),
        (lambda: (resnet(), TEACHER[1:] * 2, TAPS[1:] * 2, TAPS[0]), "wrong: a tap is named twice"),
        (lambda: (resnet(), TEACHER, TAPS[::-1], TAPS[0]), "wrong: pair 1 of 2"),
        (lambda: (resnet(9), *a_resnet()[1:]), "wrong: teacher WideResNet"),
        (lambda: (*a_resnet()[:3], TAPS[0]), "wrong: odd tap pre relu is"),
        (lambda: (*a_resnet()[:3], TAPS[1]), "wrong: pre layer1.1.relu has stride 4"),
        (lambda: 1 / 0, "wrong: your function raised ZeroDivisionError"),
    ],
)
def test_a_wrong_pair_is_told_why(capsys, wrong, said):
    assert verdict(capsys, wrong).startswith(said)


def test_a_tap_before_the_first_weight_trains_nothing(capsys):
    teacher = [Tap("block2.layer.0.relu1"), Tap("relu")]
    student = [Tap("conv1"), TAPS[1]]  # the image itself, at stride 1
    said = verdict(capsys, lambda: (resnet(), teacher, student, Tap("layer3.1.relu")))
    assert said == "wrong: the pair at pre conv1 gives the student no gradient"


def test_an_open_pair(capsys):
    assert verdict(capsys, lambda: ...) == checks.NOT_ATTEMPTED
