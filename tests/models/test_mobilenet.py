"""MobileNetV1: parameters, keys and the thirteen blocks of the paper's table."""

import pytest
import torch
from torch import nn

from distill_lib.models import build_model


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_model("mobilenet_v1", 1000).eval()


def test_parameters_as_published(model):
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == 4.23


def test_keys_are_those_of_the_authors_code(model):
    keys = set(model.state_dict())
    assert {"model.0.0.weight", "model.0.1.running_var", "fc.weight", "fc.bias"} <= keys
    for block in range(1, 14):
        assert {f"model.{block}.{i}.weight" for i in (0, 1, 3, 4)} <= keys
    norms = 1 + 2 * 13
    assert len(keys) == 5 * norms + norms + 2
    assert model.model[13][3].weight.shape == (1024, 1024, 1, 1)


def test_depthwise_convolutions_are_depthwise(model):
    for block in list(model.model)[1:]:
        depthwise, pointwise = block[0], block[3]
        assert depthwise.groups == depthwise.in_channels == depthwise.out_channels
        assert pointwise.kernel_size == (1, 1)
        assert pointwise.groups == 1


def test_resolution_is_halved_where_the_paper_halves_it(model):
    sizes = []
    handles = [
        block.register_forward_hook(lambda module, args, out: sizes.append(out.shape[1:3]))
        for block in model.model
    ]
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    for handle in handles:
        handle.remove()
    assert sizes == [
        *((32, 112), (64, 112), (128, 56), (128, 56), (256, 28), (256, 28)),
        *[(512, 14)] * 6,
        *((1024, 7), (1024, 7)),
    ]


def test_every_relu_is_a_module_of_its_own_and_out_of_place(model):
    relus = [m for m in model.modules() if isinstance(m, nn.ReLU)]
    assert len(relus) == 1 + 2 * 13
    assert not any(relu.inplace for relu in relus)


@pytest.mark.parametrize("size", [64, 96])
def test_any_image_size_and_number_of_classes(size):
    assert build_model("mobilenet_v1", 7).eval()(torch.zeros(2, 3, size, size)).shape == (2, 7)


def test_convolutions_are_kaiming_fan_out(model):
    for block in (2, 6, 13):
        for convolution in (model.model[block][0], model.model[block][3]):
            expected = (2 / convolution.weight[:, 0].numel()) ** 0.5
            assert convolution.weight.std().item() == pytest.approx(expected, rel=0.1)
