"""The check of notebook 15 accepts real pairs and says what is wrong with others."""

import pytest

from distill_lib import Tap, build_model, checks
from distill_lib.checks import check_own_pair

TEACHER = [Tap("block3.layer.0.relu1"), Tap("relu")]  # strides 2 and 4
MOBILE = [Tap("features.2.conv.0.2"), Tap("features.4.conv.0.2")]


def mobilenet():
    return build_model("mobilenet_v2", 10)


def a_mobilenet():
    return mobilenet(), TEACHER, MOBILE, Tap("features.7.conv.0.2")


def a_resnet():
    taps = [Tap("relu"), Tap("layer1.1.relu")]
    return build_model("resnet18", 10), TEACHER, taps, Tap("layer3.1.relu")


def verdict(capsys, pair) -> str:
    check_own_pair(pair)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize("right", [a_mobilenet, a_resnet])
def test_a_right_pair(capsys, right):
    assert verdict(capsys, right) == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: (mobilenet(), TEACHER, MOBILE), "wrong: want student, teacher_taps"),
        (lambda: (mobilenet(), TEACHER, MOBILE, "relu"), "wrong: want student, teacher_taps"),
        (lambda: (build_model("wrn_10_1", 10), TEACHER, TEACHER, TEACHER[0]), "wrong: the student"),
        (lambda: (mobilenet(), TEACHER[:1], MOBILE[:1], MOBILE[0]), "wrong: 1 pair; want two"),
        (lambda: (mobilenet(), TEACHER, MOBILE[::-1], MOBILE[0]), "wrong: pair 1 of 2"),
        (lambda: (build_model("mobilenet_v2", 9), *a_mobilenet()[1:]), "wrong: teacher WideResNet"),
        (lambda: (*a_mobilenet()[:3], Tap("features.0.2")), "wrong: odd tap pre features.0.2 is"),
        (lambda: (*a_mobilenet()[:3], MOBILE[1]), "wrong: pre features.4.conv.0.2 has stride 4"),
        (lambda: 1 / 0, "wrong: your function raised ZeroDivisionError"),
    ],
)
def test_a_wrong_pair_is_told_why(capsys, wrong, said):
    assert verdict(capsys, wrong).startswith(said)


def test_a_tap_before_the_first_weight_trains_nothing(capsys):
    teacher = [Tap("block2.layer.0.relu1"), Tap("relu")]
    student = [Tap("features.0.0"), MOBILE[1]]  # the image itself, at stride 1
    said = verdict(capsys, lambda: (mobilenet(), teacher, student, Tap("features.7.conv.0.2")))
    assert said == "wrong: the pair at pre features.0.0 gives the student no gradient"


def test_an_open_pair(capsys):
    assert verdict(capsys, lambda: ...) == checks.NOT_ATTEMPTED
