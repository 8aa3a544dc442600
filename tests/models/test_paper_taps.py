"""The papers' pairs, and where each of their networks is read.

For every network: what find_taps finds, and what the authors' code taps. They are the same but for
PyramidNet, whose taps have to be named. Images are small: names, channels and strides do not
depend on their size.
"""

import functools
from typing import NamedTuple

import pytest
import torch
from conftest import seeded, used_network

from distill_lib.distiller import Distiller
from distill_lib.models import build_model
from distill_lib.models.pyramidnet import BASIC_TAPS, BOTTLENECK_TAPS
from distill_lib.taps import Tap, find_taps, inspect_taps
from distill_lib.terms import Channel, CrossEntropy, FeatureTerm, Overhaul, check_pairs


class Row(NamedTuple):
    """A tap as inspect_taps describes it."""

    tap: str
    channels: int
    stride: int
    batch_norm: str


class Network(NamedTuple):
    """A network's image size here, find_taps's rows, and the authors' rows where they differ."""

    image_size: int
    found: tuple[Row, ...]
    paper: tuple[Row, ...] | None = None


def wide_resnet(width):
    return Network(
        8,
        (
            Row("pre block2.layer.0.relu1", 16 * width, 1, "block2.layer.0.bn1"),
            Row("pre block3.layer.0.relu1", 32 * width, 2, "block3.layer.0.bn1"),
            Row("pre relu", 64 * width, 4, "bn1"),
        ),
    )


def resnet(last_blocks, channels, norm, *, image_size=32, first_stride=4, relu="relu"):
    """The sum of residual and shortcut; the margin is that of the residual's last batch norm."""
    return Network(
        image_size,
        tuple(
            Row(f"pre layer{i}.{b}.{relu}", c, first_stride * 2 ** (i - 1), f"layer{i}.{b}.{norm}")
            for i, (b, c) in enumerate(zip(last_blocks, channels, strict=True), start=1)
        ),
    )


BOTTLENECK_CHANNELS = (256, 512, 1024, 2048)
NETWORKS = {
    "wrn_28_4": wide_resnet(4),
    "wrn_16_4": wide_resnet(4),
    "wrn_28_2": wide_resnet(2),
    "wrn_16_2": wide_resnet(2),
    "resnet56_cifar": resnet(
        (8, 8, 8), (16, 32, 64), "bn2", image_size=8, first_stride=1, relu="relu2"
    ),
    # No ReLU of a PyramidNet but the last lies on every path. The authors read bottlenecks inside
    # the first block of the next stage, and basic blocks at a batch norm that no ReLU follows.
    "pyramidnet_200_240_bottleneck": Network(
        8,
        found=(Row("pre relu_final", 1024, 4, "bn_final"),),
        paper=(
            Row("pre layer2.0.relu1", 100, 1, "layer2.0.bn2"),
            Row("pre layer3.0.relu1", 180, 2, "layer3.0.bn2"),
            Row("pre relu_final", 1024, 4, "bn_final"),
        ),
    ),
    "pyramidnet_110_84": Network(
        8,
        found=(Row("pre relu_final", 100, 4, "bn_final"),),
        # The authors' margins would come from layer2.0.bn2 and layer3.0.bn2.
        paper=(
            Row("post layer2.0.bn1", 44, 1, "layer2.0.bn1"),
            Row("post layer3.0.bn1", 72, 2, "layer3.0.bn1"),
            Row("pre relu_final", 100, 4, "bn_final"),
        ),
    ),
    "resnet152": resnet((2, 7, 35, 2), BOTTLENECK_CHANNELS, "bn3"),
    "resnet50": resnet((2, 3, 5, 2), BOTTLENECK_CHANNELS, "bn3"),
    "resnet34": resnet((2, 3, 5, 2), (64, 128, 256, 512), "bn2"),
    "resnet18": resnet((1, 1, 1, 1), (64, 128, 256, 512), "bn2"),
    "mobilenet_v1": Network(
        32,
        (
            Row("pre model.3.5", 128, 4, "model.3.4"),
            Row("pre model.5.5", 256, 8, "model.5.4"),
            Row("pre model.11.5", 512, 16, "model.11.4"),
            Row("pre model.13.5", 1024, 32, "model.13.4"),
        ),
    ),
    "resnet152_stem3x3": resnet(
        (2, 7, 35, 2), BOTTLENECK_CHANNELS, "bn3", image_size=8, first_stride=1
    ),
    "resnet50_stem3x3": resnet(
        (2, 3, 5, 2), BOTTLENECK_CHANNELS, "bn3", image_size=8, first_stride=1
    ),
}
OFD_PAIRS = {
    "CIFAR-100 a": ("wrn_28_4", "wrn_16_4"),
    "CIFAR-100 b": ("wrn_28_4", "wrn_28_2"),
    "CIFAR-100 c": ("wrn_28_4", "wrn_16_2"),
    "CIFAR-100 d": ("wrn_28_4", "resnet56_cifar"),
    "CIFAR-100 e": ("pyramidnet_200_240_bottleneck", "wrn_28_4"),
    "CIFAR-100 f": ("pyramidnet_200_240_bottleneck", "pyramidnet_110_84"),
    "ImageNet a": ("resnet152", "resnet50"),
    "ImageNet b": ("resnet50", "mobilenet_v1"),
}
CD_PAIRS = {
    "CIFAR-100": ("resnet152_stem3x3", "resnet50_stem3x3"),
    "ImageNet": ("resnet34", "resnet18"),
}
CD_NETWORKS = tuple(name for pair in CD_PAIRS.values() for name in pair)


def as_tap(row):
    position, relu = row.tap.split()
    return Tap(relu, position)


def as_rows(taps):
    return tuple(Row(str(tap), tap.channels, tap.stride, tap.batch_norm) for tap in taps)


@functools.cache
def taps_of(name):
    """What find_taps finds before the ReLU, the authors' taps, named, and those behind the ReLU."""
    size, found, paper = NETWORKS[name]
    model = build_model(name, 10)
    named = inspect_taps(model, [as_tap(row) for row in paper or found], size)
    behind = find_taps(model, size, "post") if name in CD_NETWORKS else None
    return find_taps(model, size), named, behind


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table(name):
    _, found, paper = NETWORKS[name]
    before, named, _ = taps_of(name)
    assert as_rows(before) == found
    assert as_rows(named) == (paper or found)


@pytest.mark.parametrize("name", CD_NETWORKS)
def test_cd_reads_the_other_side_of_the_same_relus(name):
    before, _, behind = taps_of(name)
    # Behind a ReLU no batch norm has the last word.
    expected = [
        row._replace(tap=row.tap.replace("pre", "post"), batch_norm=None) for row in as_rows(before)
    ]
    assert as_rows(behind) == tuple(expected)


def test_pyramidnets_taps_are_at_hand():
    for name, taps in (
        ("pyramidnet_110_84", BASIC_TAPS),
        ("pyramidnet_200_240_bottleneck", BOTTLENECK_TAPS),
    ):
        assert tuple(map(str, taps)) == tuple(row.tap for row in NETWORKS[name].paper)


@pytest.mark.parametrize("pair", OFD_PAIRS)
def test_ofd_pairs_agree_in_size_and_every_teachers_tap_has_a_margin(pair):
    teacher, student = (taps_of(name)[1] for name in OFD_PAIRS[pair])
    check_pairs(teacher, student)
    assert None not in {tap.batch_norm for tap in teacher}


@pytest.mark.parametrize("pair", CD_PAIRS)
def test_cd_pairs_agree_in_size_and_width(pair):
    teacher, student = (taps_of(name)[2] for name in CD_PAIRS[pair])
    check_pairs(teacher, student)
    assert [tap.channels for tap in teacher] == [tap.channels for tap in student]
    assert len(teacher) == 4


class Twin(NamedTuple):
    """A pair of the same families, as small as they come; taps only where they must be named."""

    term: type[FeatureTerm]
    image_size: int
    teacher: str
    student: str
    teacher_taps: tuple[Tap, ...] | None = None
    student_taps: tuple[Tap, ...] | None = None


PYRAMID = "pyramidnet_29_12_bottleneck"
TWINS = {
    "OFD a to c": Twin(Overhaul, 16, "wrn_16_2", "wrn_10_1"),
    "OFD d": Twin(Overhaul, 16, "wrn_16_2", "resnet14_cifar"),
    "OFD e": Twin(Overhaul, 16, PYRAMID, "wrn_10_1", BOTTLENECK_TAPS),
    "OFD f": Twin(Overhaul, 16, PYRAMID, "pyramidnet_20_12", BOTTLENECK_TAPS, BASIC_TAPS),
    "OFD ImageNet": Twin(Overhaul, 32, "resnet50", "mobilenet_v1"),
    "OFD with basic blocks, which the authors' code cannot run": Twin(
        Overhaul, 32, "resnet34", "resnet18"
    ),
    "CD CIFAR-100": Twin(Channel, 8, "resnet50_stem3x3", "resnet18_stem3x3"),
    "CD ImageNet": Twin(Channel, 32, "resnet34", "resnet18"),
}


@pytest.mark.parametrize("twin", TWINS)
def test_a_step_of_every_kind_of_pair(twin):
    make, size, teacher_name, student_name, teacher_taps, student_taps = TWINS[twin]
    teacher, student = used_network(teacher_name, seed=1), used_network(student_name, seed=2)
    term = make(teacher_taps=teacher_taps, student_taps=student_taps)
    distiller = Distiller(teacher, student, [CrossEntropy(), term], image_size=size)
    assert len(term.connectors) == (4 if "resnet" in teacher_name else 3)
    assert not term.dropped_taps
    images = torch.randn(2, 3, size, size, generator=seeded(3))
    step = distiller(images, torch.tensor([3, 7]))
    assert step.loss.isfinite()
    assert step.raw[term.name] > 0
    step.loss.backward()
    for parameter in distiller.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    assert all(p.grad is None for p in teacher.parameters())
