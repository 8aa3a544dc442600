"""One registry of networks: names that it knows, and what it says to others."""

import sys

import pytest
import torch
import torchvision.models

from distill_lib.errors import DistillError
from distill_lib.models import EXAMPLES, build_model, list_models
from distill_lib.models.wide_resnet import WideResNet

TORCHVISION = torchvision.models.list_models(module=torchvision.models)


def test_every_torchvision_classifier_is_known_by_name(monkeypatch):
    monkeypatch.setattr(torchvision.models, "get_model", lambda name, **settings: (name, settings))
    assert len(TORCHVISION) > 70
    for name in TORCHVISION:
        for given in (name, f"torchvision/{name}"):
            built, settings = build_model(given, 7)
            assert built == name
            assert settings["num_classes"] == 7
            assert settings["weights"] is None


@pytest.mark.parametrize("name", ["squeezenet1_1", "torchvision/shufflenet_v2_x0_5", "mnasnet0_5"])
def test_some_small_ones_are_built(name):
    model = build_model(name, 7).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


def test_listed_names_are_ours_and_torchvisions():
    names = list_models()
    assert len(names) == len(set(names))
    assert {"wrn_16_2", "wrn_28_4", "resnet18"} <= set(names)
    assert {"resnet56_cifar", "resnet152_stem3x3", "mobilenet_v1"} <= set(names)
    assert {"pyramidnet_110_84", "pyramidnet_200_240_bottleneck"} <= set(names)
    assert set(TORCHVISION) <= set(names)


def test_every_name_of_ours_is_built():
    for name in EXAMPLES:
        with torch.device("meta"):
            model = build_model(name, 7)
        assert model.fc.weight.shape[0] == 7


@pytest.mark.parametrize(("name", "millions"), [("resnet152", 60.19), ("resnet50", 25.56)])
def test_parameters_of_the_imagenet_pairs_as_published(name, millions):
    with torch.device("meta"):
        model = build_model(name, 1000)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions


def test_any_wide_resnet_is_built_by_its_name():
    model = build_model("wrn_22_3", 5)
    assert isinstance(model, WideResNet)
    assert model.fc.weight.shape == (5, 192)


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("resnet81", "resnet18"),
        ("wrn16_2", "wrn_16_2"),
        ("torchvision/resnet5O", "resnet50"),
        ("resnet56_cifer", "resnet56_cifar"),
        ("pyramidnet_200_240_", "pyramidnet_200_240_bottleneck"),
        ("mobilenet_v4", "mobilenet_v1"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(given, near):
    with pytest.raises(DistillError, match=f"(?s)unknown model.*{near}"):
        build_model(given, 10)


@pytest.mark.parametrize("name", ["", "timm", "fcn_resnet50", "wrn_16_2 "])
def test_what_is_no_classifier_is_refused(name):
    with pytest.raises(DistillError, match="unknown model"):
        build_model(name, 10)


def test_a_pretrained_tag_that_timm_does_not_know_is_refused():
    pytest.importorskip("timm")
    with pytest.raises(DistillError, match="unknown model 'timm/resnet18.nope'"):
        build_model("timm/resnet18.nope", 10)


def test_no_classes_are_refused():
    with pytest.raises(DistillError, match="num_classes is 0"):
        build_model("wrn_10_1", 0)


def test_a_depth_in_a_name_is_checked():
    with pytest.raises(DistillError, match="WRN depth is 17"):
        build_model("wrn_17_2", 10)


def test_timm_missing_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(DistillError, match=r"(?s)timm/mobilenetv3_small_100.*pip install"):
        build_model("timm/mobilenetv3_small_100", 10)


@pytest.mark.parametrize("name", ["googlenet"])
def test_networks_with_auxiliary_classifiers_give_plain_logits_in_train_mode(name):
    model = build_model(name, 7).train()
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 7)
