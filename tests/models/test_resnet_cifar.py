"""The two ResNets for small images: parameters, keys, the function, and names that differ."""

import pytest
import torch
import torch.nn.functional as F
from conftest import seeded, used_network
from torchvision.models import ResNet, resnet50

from distill_lib.errors import DistillError
from distill_lib.models import build_model
from distill_lib.models.resnet_cifar import CifarResNet
from distill_lib.taps import find_taps, reading


def parameters(name, num_classes):
    with torch.device("meta"):
        return sum(p.numel() for p in build_model(name, num_classes).parameters())


def test_parameters_as_published():
    assert round(parameters("resnet56_cifar", 100) / 1e6, 2) == 0.86
    # Zero-padded shortcuts would have 1x1 convolutions and batch norms less, and round to the same.
    projections = sum(a * b + 2 * b for a, b in ((16, 32), (32, 64)))
    assert round((parameters("resnet56_cifar", 100) - projections) / 1e6, 2) == 0.86


def test_depths_that_both_layouts_have_are_two_networks():
    assert round(parameters("resnet50_cifar", 100) / 1e6, 2) == 0.76
    assert round(parameters("resnet50_stem3x3", 100) / 1e6, 2) == 23.71


@pytest.mark.parametrize(("depth", "blocks"), [(20, 3), (32, 5), (44, 7), (110, 18)])
def test_depth_counts_the_layers(depth, blocks):
    with torch.device("meta"):
        model = build_model(f"resnet{depth}_cifar", 10)
    assert [len(stage) for stage in (model.layer1, model.layer2, model.layer3)] == [blocks] * 3
    weighted = [
        name
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)) and "downsample" not in name
    ]
    assert len(weighted) == depth


def test_keys_are_those_of_published_checkpoints():
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {"conv1.weight", "fc.weight", "fc.bias", *(f"bn1.{key}" for key in norm)}
    for stage in (1, 2, 3):
        prefix = f"layer{stage}.0"
        expected |= {f"{prefix}.conv{i}.weight" for i in (1, 2)}
        expected |= {f"{prefix}.bn{i}.{key}" for i in (1, 2) for key in norm}
        if stage > 1:
            expected |= {f"{prefix}.downsample.0.weight"}
            expected |= {f"{prefix}.downsample.1.{key}" for key in norm}
    assert build_model("resnet8_cifar", 10).state_dict().keys() == expected


def test_moving_the_relu_to_the_start_of_the_next_block_is_the_same_function():
    model = used_network("resnet14_cifar").eval()
    images = torch.randn(2, 3, 16, 16, generator=seeded(0))
    x, sums = model.bn1(model.conv1(images)), []
    for stage in (model.layer1, model.layer2, model.layer3):
        for block in stage:
            x = F.relu(x)
            out = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))
            x = out + (x if block.downsample is None else block.downsample(x))
        sums.append(x)
    logits = model.fc(F.relu(x).mean((2, 3)))
    with reading(model, find_taps(model, 16)) as reader:
        torch.testing.assert_close(model(images), logits)
        features = list(reader.take().values())
    for tapped, expected in zip(features, sums, strict=True):
        torch.testing.assert_close(tapped, expected)
        assert (tapped < 0).any()


def test_every_relu_is_a_module_of_its_own_and_out_of_place():
    model = build_model("resnet20_cifar", 10)
    relus = [m for m in model.modules() if isinstance(m, torch.nn.ReLU)]
    assert len(relus) == 2 * 9 + 1
    assert not any(relu.inplace for relu in relus)


@pytest.mark.parametrize("size", [32, 28, 64])
def test_any_image_size_gives_logits(size):
    model = build_model("resnet8_cifar", 7).eval()
    assert model(torch.zeros(2, 3, size, size)).shape == (2, 7)


@pytest.mark.parametrize("depth", [2, 7, 18, 34, 57, 101])
def test_a_depth_that_is_none_is_refused(depth):
    with pytest.raises(DistillError, match=rf"depth is {depth}; expected 6n \+ 2") as error:
        CifarResNet(depth)
    assert (f"resnet{depth}_stem3x3" in str(error.value)) == (depth in (18, 34, 101))


def test_the_3x3_stem_is_torchvisions_network_but_for_two_modules():
    with torch.device("meta"):
        model, original = build_model("resnet50_stem3x3", 100), resnet50(num_classes=100)
    assert type(model) is ResNet
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    expected = {name: tensor.shape for name, tensor in original.state_dict().items()}
    assert shapes.pop("conv1.weight") == (64, 3, 3, 3)
    assert expected.pop("conv1.weight") == (64, 3, 7, 7)
    assert shapes == expected
    assert isinstance(model.maxpool, torch.nn.Identity)
    assert model.conv1.stride == (1, 1)


def test_the_3x3_stem_keeps_the_resolution():
    model = build_model("resnet18_stem3x3", 7).eval()
    sizes = []
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        stage.register_forward_hook(lambda module, args, out: sizes.append(out.shape[-1]))
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert sizes == [32, 16, 8, 4]


def test_a_depth_that_torchvision_lacks_is_refused():
    with pytest.raises(DistillError, match=r"(?s)depth is 56 in 'resnet56_stem3x3'.*18, 34, 50"):
        build_model("resnet56_stem3x3", 10)


@pytest.mark.parametrize("name", ["resnet8_cifar", "resnet18_stem3x3"])
def test_convolutions_are_kaiming_fan_out(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(name, 10)
    for convolution in (model.conv1, model.layer3[0].conv1, model.layer3[0].downsample[0]):
        fan_out = convolution.weight[:, 0].numel()
        expected = (2 / fan_out) ** 0.5
        assert convolution.weight.std().item() == pytest.approx(expected, rel=0.15)
