"""Taps are found where the papers have them, and never read what they should not."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from distill_lib.errors import DistillError, FeatureError
from distill_lib.models import build_model
from distill_lib.taps import Tap, TapReader, find_taps, inspect_taps, module_at, reading, unwrap

WRN_TAPS = ("block2.layer.0.relu1", "block3.layer.0.relu1", "relu")
WRN_NORMS = ("block2.layer.0.bn1", "block3.layer.0.bn1", "bn1")


def found(taps):
    return [(tap.relu, tap.channels, tap.stride, tap.batch_norm) for tap in taps]


@pytest.mark.parametrize(("name", "width"), [("wrn_10_1", 1), ("wrn_16_2", 2)])
@pytest.mark.parametrize("position", ["pre", "post"])
def test_taps_of_a_wide_resnet(name, width, position):
    taps = find_taps(build_model(name, 10), 32, position)
    norms = WRN_NORMS if position == "pre" else (None,) * 3
    channels = [16 * width, 32 * width, 64 * width]
    assert found(taps) == list(zip(WRN_TAPS, channels, (1, 2, 4), norms, strict=True))
    assert {tap.position for tap in taps} == {position}


@pytest.mark.parametrize(
    ("name", "last", "norm", "channels"),
    [
        ("resnet18", (1, 1, 1, 1), "bn2", (64, 128, 256, 512)),
        ("resnet50", (2, 3, 5, 2), "bn3", (256, 512, 1024, 2048)),
    ],
)
def test_taps_of_a_torchvision_resnet(name, last, norm, channels):
    expected = [
        (f"layer{i}.{block}.relu", width, 2 ** (i + 1), f"layer{i}.{block}.{norm}")
        for i, block, width in zip((1, 2, 3, 4), last, channels, strict=True)
    ]
    assert found(find_taps(build_model(name, 7), 64)) == expected


def test_a_residual_sum_takes_the_batch_norm_of_its_main_branch():
    # Stages of a single block: the shortcut has a batch norm too (downsample.1).
    model = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=7)
    norms = [tap.batch_norm for tap in find_taps(model, 64)]
    assert norms == [f"layer{i}.0.bn2" for i in (1, 2, 3, 4)]


def test_taps_are_found_through_frozen_parameters():
    model = build_model("wrn_10_1", 10).requires_grad_(False)
    assert found(find_taps(model, 32)) == found(find_taps(build_model("wrn_10_1", 10), 32))


def test_finding_taps_changes_nothing():
    model = build_model("wrn_10_1", 10).train()
    model.block2.eval()
    model.fc.requires_grad_(False)
    for inplace in model.modules():
        if isinstance(inplace, nn.ReLU):
            inplace.inplace = False
    state = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    required = [p.requires_grad for p in model.parameters()]
    random_state = torch.get_rng_state()
    find_taps(model, 32)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == required
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_taps_are_found_in_other_classifiers():
    taps = find_taps(build_model("shufflenet_v2_x0_5", 5), 64)
    assert [tap.stride for tap in taps] == sorted({tap.stride for tap in taps})
    plain = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)),
    )
    assert found(find_taps(plain, 16)) == [("1", 4, 1, None), ("3", 6, 2, None)]


def test_a_network_that_no_relu_cuts():
    gelu = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GELU(), nn.Flatten(), nn.Linear(4 * 64, 3))
    with pytest.raises(FeatureError, match="Name the taps yourself"):
        find_taps(gelu, 8)


class Bypassed(nn.Module):
    """One ReLU beside which a path of weight 1e-8 runs."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.last = nn.Conv2d(3, 4, 1), nn.ReLU(), nn.ReLU()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        x = self.conv(x)
        x = self.relu(x) + 1e-8 * x
        return self.fc(self.last(x[:, :, ::2, ::2]).mean((2, 3)))


def test_a_bypass_counts_however_small():
    assert [tap.relu for tap in find_taps(Bypassed(), 8)] == ["last"]


class Halves(nn.Module):
    """A tensor split in two: each ReLU has one half, and only together do they cut."""

    def __init__(self):
        super().__init__()
        self.conv, self.first, self.second = nn.Conv2d(3, 4, 1), nn.ReLU(), nn.ReLU()
        self.last, self.fc = nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x):
        a, b = self.conv(x).chunk(2, dim=1)
        x = torch.cat((self.first(a), self.second(b)), 1)
        return self.fc(self.last(x[:, :, ::2, ::2]).mean((2, 3)))


def test_a_half_of_a_split_does_not_cut():
    assert [tap.relu for tap in find_taps(Halves(), 8)] == ["last"]


class UpAgain(nn.Module):
    """Down to half the resolution and back, without a shortcut."""

    def __init__(self):
        super().__init__()
        self.down, self.relu1 = nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU()
        self.up, self.relu2 = nn.ConvTranspose2d(4, 4, 2, 2), nn.ReLU()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.relu2(self.up(self.relu1(self.down(x)))).mean((2, 3)))


def test_the_finest_comes_first_even_where_it_is_reached_last():
    assert found(find_taps(UpAgain(), 8)) == [("relu2", 4, 1, None), ("relu1", 4, 2, None)]


def test_logits_that_no_gradient_leads_back_from_have_no_taps():
    model = build_model("wrn_10_1", 10)
    model.register_forward_hook(lambda module, args, out: out.detach())
    with pytest.raises(FeatureError, match="Name the taps yourself"):
        find_taps(model, 8)


def test_two_forwards_find_the_taps_of_any_depth():
    model, calls = build_model("pyramidnet_20_12", 10), []
    model.register_forward_hook(lambda module, args, out: calls.append(out.shape))
    find_taps(model, 16)
    assert len(calls) == 2


def test_a_wrong_name_is_answered_with_the_nearest():
    model = build_model("wrn_10_1", 10)
    for use in (lambda taps: TapReader(model, taps), lambda taps: inspect_taps(model, taps, 32)):
        with pytest.raises(DistillError, match=r"(?s)0\.rleu1.*block2\.layer\.0\.relu1"):
            use([Tap("block2.layer.0.rleu1")])
    with pytest.raises(DistillError, match="unknown module"):
        module_at(model, "")
    with pytest.raises(DistillError, match="expected 'pre' or 'post'"):
        Tap("relu", "after")


class Toy(nn.Module):
    """A ReLU of several uses."""

    def __init__(self, use="once", inplace=False):
        super().__init__()
        self.use = use
        self.conv, self.relu = nn.Conv2d(3, 4, 1), nn.ReLU(inplace)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        x = self.conv(x)
        if self.use == "never":
            x = x.relu()
        else:
            x = self.relu(x)
        if self.use == "twice":
            x = self.relu(x - 10)
        if self.use == "changed":
            x += 1
        return self.fc(x.mean((2, 3)))


def test_a_tap_that_is_not_reached():
    with pytest.raises(FeatureError, match="pre relu was not reached"):
        inspect_taps(Toy("never"), [Tap("relu")], 8)
    model = Toy()
    with reading(model, [Tap("relu")]) as reader:
        model(torch.zeros(1, 3, 8, 8))
        reader.take()
        with pytest.raises(FeatureError, match="not reached"):
            reader.take()
        model(torch.zeros(1, 3, 8, 8))
        reader.start()
        with pytest.raises(FeatureError, match="not reached"):
            reader.take()


def test_an_inplace_relu_at_a_tap_is_made_out_of_place():
    model = Toy(inplace=True)
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with reading(model, [Tap("relu"), Tap("relu", "post")]) as reader:
        model(images)
        features = reader.take()
    pre, post = features[Tap("relu")], features[Tap("relu", "post")]
    assert torch.equal(pre, model.conv(images))
    assert (pre < 0).any()
    assert torch.equal(post, pre.relu())


def test_a_tensor_changed_in_place_after_reading_is_refused():
    model = Toy("changed")
    for grad in (True, False):
        with torch.set_grad_enabled(grad), reading(model, [Tap("relu", "post")]) as reader:
            model(torch.zeros(1, 3, 8, 8))
            with pytest.raises(FeatureError, match="changed in place after it was read"):
                reader.take()


def test_the_last_call_counts():
    model, images = Toy("twice"), torch.zeros(2, 3, 8, 8)
    with reading(model, [Tap("relu")]) as reader:
        model(images)
        (features,) = reader.take().values()
    assert torch.equal(features, model.conv(images).relu() - 10)
    assert [tap.relu for tap in find_taps(model, 8)] == ["relu"]


def test_reading_detaches_its_hooks():
    model = Toy()
    with pytest.raises(RuntimeError), reading(model, [Tap("relu")]):
        raise RuntimeError
    assert not model.relu._forward_pre_hooks


def test_a_wrong_name_leaves_no_hook_behind():
    model = build_model("wrn_10_1", 10)
    with pytest.raises(DistillError, match="unknown module"):
        TapReader(model, [Tap("relu"), Tap("nope")])
    assert not module_at(model, "relu")._forward_pre_hooks


def test_taps_are_found_in_inference_mode():
    model = build_model("wrn_10_1", 10)
    with torch.inference_mode():
        assert [tap.relu for tap in find_taps(model, 32)] == list(WRN_TAPS)


class Named(nn.Module):
    """Calls its ReLU by keyword."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 1), nn.ReLU()

    def forward(self, x):
        return self.relu(input=self.conv(x)).mean((2, 3))


def test_a_relu_that_is_called_by_keyword_is_none_for_find_taps():
    with pytest.raises(FeatureError, match="no ReLU through which every path runs"):
        find_taps(Named(), 16)


def test_taps_of_equal_name_and_position_are_one():
    bare, full = (
        Tap("relu"),
        Tap("relu", "pre", channels=4, size=(8, 8), stride=1, batch_norm="bn1"),
    )
    assert bare == full
    assert hash(bare) == hash(full)
    assert bare != Tap("relu", "post")
    with reading(Toy(), [bare, full]) as reader:
        assert len(reader._readers) == 1


def test_a_student_may_be_tapped_at_any_module():
    (tap,) = inspect_taps(Toy(), [Tap("conv", "post")], 8)
    assert (tap.channels, tap.stride) == (4, 1)
    assert str(tap) == "post conv"


def test_the_batch_norm_whose_output_is_read_is_known_on_either_side():
    model = build_model("wrn_10_1", 10)
    taps = [Tap("bn1", "post"), Tap("relu"), Tap("relu", "post"), Tap("block1", "post")]
    norms = [tap.batch_norm for tap in inspect_taps(model, taps, 8)]
    assert norms == ["bn1", "bn1", None, None]


def test_a_compiled_network_is_unwrapped():
    model = build_model("wrn_10_1", 10)
    compiled = torch.compile(model)
    assert unwrap(compiled) is model
    assert unwrap(model) is model
    assert [tap.relu for tap in find_taps(compiled, 32)] == list(WRN_TAPS)


def test_a_detector_has_its_taps_named():
    with pytest.raises(FeatureError, match="gives a Predictions, not one tensor"):
        find_taps(build_model("ssd/resnet18", 3), image_size=64)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.relu = nn.LSTM(8, 4, batch_first=True), nn.ReLU()

    def forward(self, x):
        return self.relu(input=self.lstm(x.mean(1))[0])


@pytest.mark.parametrize(
    ("tap", "match"),
    [(Tap("lstm", "post"), "reads a tuple"), (Tap("relu", "pre"), "keywords alone")],
)
def test_what_is_no_tensor_or_not_positional_is_told(tap, match):
    with pytest.raises(FeatureError, match=match):
        inspect_taps(Recurrent(), [tap], 8)


def test_sizes_that_round_to_one_stride_are_kept_apart():
    network = nn.Sequential(nn.MaxPool2d(2), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True), nn.ReLU())
    network.append(nn.Conv2d(3, 3, 1))
    found = inspect_taps(network, [Tap("1"), Tap("3")], 50)
    assert [(tap.size, tap.stride) for tap in found] == [((25, 25), 2), ((13, 13), 4)]
    network[2].ceil_mode = False
    assert inspect_taps(network, [Tap("3")], 50)[0].size == (12, 12)
