"""SSD: raw predictions in either mode, anchors by image size, boxes, taps, backbone."""

import pytest
import torch

from distill_lib.distiller import task_and_classes
from distill_lib.errors import DistillError
from distill_lib.models import build_model
from distill_lib.recipes.detection import taps
from distill_lib.taps import Tap, inspect_taps

PER_PLACE = (4, 6, 6, 6, 4, 4)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_model("ssd/resnet18", 3).eval()


@pytest.mark.parametrize(("size", "grids"), [(64, (8, 4, 2, 1, 1, 1)), (160, (20, 10, 5, 3, 2, 1))])
def test_predictions_in_either_mode(network, size, grids):
    anchors = sum(n * grid**2 for n, grid in zip(PER_PLACE, grids, strict=True))
    for mode in (True, False):
        network.train(mode)
        found = network(torch.randn(2, 3, size, size))
        assert found.class_logits.shape == (2, anchors, 4)
        assert found.box_offsets.shape == (2, anchors, 4)
        assert found.anchors.shape == (anchors, 4)
        assert found.num_classes == 3 and found.image_size == (size, size)
    assert task_and_classes(network, size) == ("detection", 3)


def test_anchors_keep_their_sizes_in_pixels(network):
    for size in (64, 160, 300):
        with torch.no_grad():
            anchors = network(torch.zeros(1, 3, size, size)).anchors
        # The first two at each place are squares: of the map's size, and between it and the next.
        width, height = (anchors[:2, 2:] - anchors[:2, :2]).unbind(1)
        assert width.tolist() == pytest.approx([21.0, (21 * 45) ** 0.5], rel=1e-4)
        assert torch.equal(width, height)
        assert (anchors[:, 2:] - anchors[:, :2]).max() <= size + 1e-3


def test_anchors_stay_float32_under_autocast(network):
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        coarse = network(images)
    assert coarse.class_logits.dtype == torch.bfloat16
    with torch.no_grad():
        assert torch.equal(coarse.anchors, network(images).anchors)
    assert coarse.anchors.dtype == torch.float32
    assert network.detect(coarse)[0]["boxes"].dtype == torch.float32


def test_detect_gives_the_anchors_that_are_sure(network):
    with torch.no_grad():
        found = network(torch.randn(2, 3, 64, 64))
    logits = torch.full_like(found.class_logits, -20.0)
    logits[..., 0] = 20.0
    logits[0, 10] = torch.tensor([-20.0, -20.0, 20.0, -20.0])
    sure = found._replace(class_logits=logits, box_offsets=torch.zeros_like(found.box_offsets))
    first, second = network.detect(sure)
    assert first["labels"].tolist() == [2] and first["scores"].item() == pytest.approx(1.0)
    assert torch.allclose(first["boxes"][0], found.anchors[10].clamp(0, 64), atol=1e-4)
    assert len(second["boxes"]) == 0


@pytest.mark.parametrize("resnet", ["resnet18", "resnet50"])
def test_six_taps_with_their_batch_norms(resnet):
    model = build_model(f"ssd/{resnet}", 3)
    found = inspect_taps(model, [Tap(*name.split(":")) for name in taps(resnet)], 256)
    assert [tap.stride for tap in found] == [8, 16, 32, 64, 128, 256]
    wide = 1 if resnet == "resnet18" else 4
    assert [tap.channels for tap in found] == [128 * wide, 256 * wide, 512 * wide, 512, 256, 256]
    assert all(tap.batch_norm for tap in found)


def test_the_backbone_starts_from_a_classification_network(network):
    state = build_model("resnet18", 7).state_dict()
    network.load_backbone(state)
    own = network.backbone.resnet.state_dict()
    assert own and all(torch.equal(own[name], state[name]) for name in own)
    with pytest.raises(RuntimeError):
        network.load_backbone(build_model("resnet34", 7).state_dict())
    with pytest.raises(DistillError, match="(?s)unknown model.*ssd/resnet18"):
        build_model("ssd/vgg16", 3)


def test_the_weights_that_a_map_of_one_place_never_meets_have_no_gradient():
    torch.manual_seed(0)
    extra = build_model("ssd/resnet18", 3).backbone.extras[1]
    strided = extra[3]
    whole = torch.randn(4, 512, 1, 1)
    unused = torch.ones(3, 3, dtype=torch.bool)
    unused[1, 1] = False
    for precision in (torch.float32, torch.bfloat16):
        extra.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16):
            out = extra(whole)
        out.float().square().sum().backward()
        assert out.shape == (4, 256, 1, 1)
        assert (strided.weight.grad[..., unused] == 0).all()
        assert strided.weight.grad[..., 1, 1].abs().max() > 0
    with torch.no_grad():
        torch.testing.assert_close(
            strided(whole[:, :128]),
            torch.nn.functional.conv2d(whole[:, :128], strided.weight, stride=2, padding=1),
        )
