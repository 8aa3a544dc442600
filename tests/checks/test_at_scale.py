"""The check of notebook 11 accepts new pairs in the paper's settings and says what else is off."""

from dataclasses import replace

import pytest
import torch

from distill_lib import checks, get_recipe
from distill_lib.checks import check_pair_recipe
from distill_lib.recipes import AT, CE, KD, OFD

BASE = get_recipe("ofd-imagenet-resnet152-resnet50")


def pair(**changes):
    settings = {
        "name": "ofd-imagenet-resnet50-mobilenet_v2",
        "teacher": "weights:ResNet50_Weights.IMAGENET1K_V1",
        "student": "mobilenet_v2",
        "published": (),
    }
    return replace(BASE, **(settings | changes))


def verdict(capsys, recipe) -> str:
    check_pair_recipe(lambda: recipe)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    "right",
    [
        pair(),
        pair(teacher="weights:RegNet_Y_8GF_Weights.IMAGENET1K_V1", name="x", note="mine"),
        pair(teacher="weights:ResNet101_Weights.IMAGENET1K_V2", student="resnet18", budget="paper"),
        pair(terms=(OFD(weight=1e-4), CE())),
    ],
)
def test_a_right_recipe(capsys, right):
    assert verdict(capsys, right) == checks.CORRECT


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (BASE, "wrong: the name 'ofd-imagenet-resnet152-resnet50' is taken"),
        ("ofd-imagenet-resnet152-resnet50", "wrong: want a Recipe; got str"),
        (pair(teacher=None), "wrong: the teacher is None; want weights:"),
        (pair(teacher="plain-imagenet-resnet50"), "wrong: the teacher is 'plain-imagenet-resnet50"),
        (pair(teacher="weights:ResNet51_Weights.V1"), "wrong: unknown torchvision weights"),
        (pair(teacher=BASE.teacher, student="resnet50"), "wrong: weights:ResNet152_Weights.IMAG"),
        (pair(student="mobilenet_v9"), "wrong: unknown model 'mobilenet_v9'"),
        (pair(published=BASE.published), "wrong: published still says 78.35"),
        (pair(terms=(CE(), OFD())), "wrong: OFD weighs 0.001; at 224 pixels the authors' code"),
        (pair(terms=(CE(weight=0.1), OFD(weight=1e-4))), "wrong: cross entropy weighs 0.1; want 1"),
        (
            pair(terms=(CE(), OFD(weight=1e-4, divisors=(1, 1, 1, 1)))),
            "wrong: OFD's divisors is (1",
        ),
        (pair(terms=(CE(), OFD(weight=1e-4, tail="exact"))), "wrong: OFD's tail is exact; the pap"),
        (pair(terms=(CE(), KD())), "wrong: the terms are ce, kd; want ce, ofd"),
        (pair(terms=(CE(), OFD(weight=1e-4), AT())), "wrong: the terms are at, ce, ofd; want"),
        (pair(budget="laptop"), "wrong: budget is laptop; the paper's recipe for ImageNet has pap"),
        (pair(image_size=64), "wrong: image_size is 64; the paper's recipe for ImageNet has 224"),
        (pair(epochs=30), "wrong: epochs is 30"),
        (pair(teacher_mode="eval"), "wrong: teacher_mode is eval"),
        (pair(optim=replace(BASE.optim, nesterov=False)), "wrong: optim.nesterov is False"),
        (
            pair(teacher="weights:Inception_V3_Weights.IMAGENET1K_V1"),
            "wrong: Inception_V3_Weights.IMAGENET1K_V1 has 1000 classes and was made for [299]",
        ),
        (pair(student="efficientnet_b0"), "wrong: EfficientNet has no ReLU through which every"),
        (pair(student="wrn_16_2"), "wrong: taps of equal stride: 1; want 2 at least"),
        (pair(student="resnet101"), "wrong: the student has 44,549,160 parameters, its teacher 25"),
    ],
)
def test_a_wrong_recipe_is_told_why(capsys, wrong, said):
    assert verdict(capsys, wrong).startswith(said)


def test_an_open_exercise(capsys):
    assert verdict(capsys, ...) == checks.NOT_ATTEMPTED


def test_what_the_reader_raises_is_shown(capsys):
    check_pair_recipe(lambda: 1 / 0)
    assert "your function raised ZeroDivisionError" in capsys.readouterr().out


def test_nothing_is_fetched_and_no_random_number_drawn(capsys, monkeypatch):
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", None)
    before = torch.get_rng_state()
    assert verdict(capsys, pair()) == checks.CORRECT
    assert torch.equal(before, torch.get_rng_state())
