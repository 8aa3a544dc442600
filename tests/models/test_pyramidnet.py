"""PyramidNet: parameters, keys, widening, the padded shortcut, and the margin of what is tapped."""

import pytest
import torch
from conftest import seeded, used_network
from torch import nn

from distill_lib.distiller import Distiller
from distill_lib.errors import DistillError
from distill_lib.margin_relu import margin_from_batch_norm
from distill_lib.models import build_model
from distill_lib.models.pyramidnet import BASIC_TAPS, BOTTLENECK_TAPS, PyramidNet
from distill_lib.taps import inspect_taps, module_at, reading
from distill_lib.terms import Overhaul

SMALL = {"pyramidnet_20_12": BASIC_TAPS, "pyramidnet_29_12_bottleneck": BOTTLENECK_TAPS}


def test_parameters_as_published():
    for name, millions in (("pyramidnet_110_84", 3.91), ("pyramidnet_200_240_bottleneck", 26.84)):
        with torch.device("meta"):
            model = build_model(name, 100)
        assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("name", "convolutions"), [("pyramidnet_110_84", 2), ("pyramidnet_200_240_bottleneck", 3)]
)
def test_depth_counts_the_layers(name, convolutions):
    with torch.device("meta"):
        model = build_model(name, 100)
    blocks = [block for stage in (model.layer1, model.layer2, model.layer3) for block in stage]
    assert len({len(stage) for stage in (model.layer1, model.layer2, model.layer3)}) == 1
    assert 2 + convolutions * len(blocks) == int(name.split("_")[1])


@pytest.mark.parametrize(
    ("name", "inside", "norms"),
    [
        ("pyramidnet_8_6", (1, 2), (1, 2, 3)),
        ("pyramidnet_11_6_bottleneck", (1, 2, 3), (1, 2, 3, 4)),
    ],
)
def test_keys_are_those_of_published_checkpoints(name, inside, norms):
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {"conv1.weight", "fc.weight", "fc.bias"}
    expected |= {f"{bn}.{key}" for bn in ("bn1", "bn_final") for key in norm}
    for stage in (1, 2, 3):
        expected |= {f"layer{stage}.0.conv{i}.weight" for i in inside}
        expected |= {f"layer{stage}.0.bn{i}.{key}" for i in norms for key in norm}
    assert build_model(name, 10).state_dict().keys() == expected


def test_channels_grow_by_alpha_in_equal_steps():
    with torch.device("meta"):
        model = build_model("pyramidnet_20_27", 10)
    blocks = [block for stage in (model.layer1, model.layer2, model.layer3) for block in stage]
    assert [block.conv1.in_channels for block in blocks] == list(range(16, 43, 3))
    assert model.fc.in_features == 16 + 27
    with torch.device("meta"):
        bottleneck = build_model("pyramidnet_29_9_bottleneck", 10)
    assert bottleneck.layer1[0].conv1.in_channels == 16
    assert bottleneck.layer1[1].conv1.in_channels == 4 * 17
    assert bottleneck.fc.in_features == 4 * (16 + 9)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [16, 7])
def test_the_shortcut_is_padded_with_zeros_and_pooled_where_the_resolution_changes(name, size):
    model = used_network(name).eval()
    for block, pooled in ((model.layer1[1], False), (model.layer2[0], True)):
        last = block.bn4 if hasattr(block, "bn4") else block.bn3
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        channels = block.conv1.in_channels
        x = torch.randn(2, channels, size, size, generator=seeded(0))
        out = block(x)
        shortcut = nn.functional.avg_pool2d(x, 2, ceil_mode=True) if pooled else x
        assert torch.equal(out[:, :channels], shortcut)
        assert out.shape[1] == block.expansion * block.conv1.out_channels
        assert (out[:, channels:] == 0).all()


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [32, 28])
def test_any_image_size_gives_logits_and_every_parameter_a_gradient(name, size):
    model = build_model(name, 7)
    logits = model(torch.randn(2, 3, size, size, generator=seeded(0)))
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_the_papers_teacher_runs_here():
    model = build_model("pyramidnet_200_240_bottleneck", 100).eval()
    with torch.no_grad(), reading(model, BOTTLENECK_TAPS) as reader:
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 100)
        shapes = [tuple(features.shape[1:]) for features in reader.take().values()]
    assert shapes == [(100, 32, 32), (180, 16, 16), (1024, 8, 8)]


@pytest.mark.parametrize(
    ("depth", "bottleneck", "expected"),
    [(2, False, "6n"), (111, False, "6n"), (2, True, "9n"), (110 + 6, True, "9n")],
)
def test_a_depth_that_is_none_is_refused(depth, bottleneck, expected):
    with pytest.raises(DistillError, match=rf"PyramidNet depth is {depth}.*expected {expected}"):
        PyramidNet(depth, 84, bottleneck=bottleneck)


def test_no_widening_is_refused():
    with pytest.raises(DistillError, match="alpha is 0; expected 1 or more"):
        build_model("pyramidnet_20_0", 10)


@pytest.mark.parametrize(("name", "per_block"), [("pyramidnet_20_12", 1), (list(SMALL)[1], 2)])
def test_every_relu_is_a_module_of_its_own_and_out_of_place(name, per_block):
    relus = [m for m in build_model(name, 10).modules() if isinstance(m, nn.ReLU)]
    assert len(relus) == 9 * per_block + 1
    assert not any(relu.inplace for relu in relus)


@pytest.mark.parametrize(("name", "taps"), SMALL.items())
def test_the_margin_is_that_of_the_batch_norm_whose_output_is_read(name, taps):
    teacher = used_network(name, seed=1).eval()
    outputs = {}
    for norm_name, module in teacher.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(
                lambda module, args, out, name=norm_name: outputs.__setitem__(name, out)
            )
    inspected = inspect_taps(teacher, taps, 16)
    with torch.no_grad(), reading(teacher, taps) as reader:
        teacher(torch.randn(2, 3, 16, 16, generator=seeded(0)))
        for tap, features in zip(inspected, reader.take().values(), strict=True):
            assert torch.equal(features, outputs[tap.batch_norm])
    term = Overhaul(teacher_taps=taps, student_taps=BASIC_TAPS)
    Distiller(teacher, build_model("pyramidnet_8_6", 10), [term], image_size=16)
    for margin, tap in zip(term.margins, inspected, strict=True):
        norm = module_at(teacher, tap.batch_norm)
        assert torch.equal(margin, margin_from_batch_norm(norm.weight, norm.bias))
