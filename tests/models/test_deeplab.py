"""DeepLabV3+: sizes, the six taps, and the backbone that it starts from."""

import sys

import pytest
import torch

from distill_lib.errors import DistillError
from distill_lib.models import build_model
from distill_lib.recipes.segmentation import taps
from distill_lib.taps import Tap, inspect_taps, reading

CHANNELS = {"resnet18": [64, 128, 256, 512], "mobilenet_v2": [144, 192, 576, 320]}


@pytest.fixture(scope="module", params=CHANNELS)
def network(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return request.param, build_model(f"deeplabv3plus/{request.param}", 5).eval()


def test_logits_have_the_images_size_whatever_it_is(network):
    _, model = network
    for height, width in ((64, 64), (33, 50)):
        with torch.no_grad():
            logits = model(torch.randn(2, 3, height, width))
        assert logits.shape == (2, 5, height, width)


def test_padding_is_part_of_what_the_network_sees(network):
    _, model = network
    images = torch.randn(1, 3, 33, 50)
    padded = torch.zeros(1, 3, 48, 64)
    padded[..., :33, :50] = images
    with torch.no_grad():
        assert torch.equal(model(images), model(padded)[..., :33, :50])


def test_six_taps_with_their_batch_norms(network):
    encoder, model = network
    wanted = [Tap(*name.split(":")) for name in taps(encoder)]
    found = inspect_taps(model, wanted, 64)
    assert [tap.channels for tap in found] == [*CHANNELS[encoder], 256, 256]
    assert [tap.stride for tap in found] == [4, 8, 16, 16, 16, 4]
    last = "conv.3" if encoder == "mobilenet_v2" else "1.bn2"
    assert found[3].batch_norm.endswith(last)
    assert found[4].batch_norm == "decoder.aspp.0.project.1"
    assert found[5].batch_norm == "decoder.block2.1"
    with torch.no_grad(), reading(model, wanted) as reader:
        model(torch.randn(2, 3, 64, 64))
        for tensor in reader.take().values():
            assert (tensor < 0).float().mean() > 0.1


def test_513_pixels_keep_the_strides():
    names = [Tap(*name.split(":")) for name in taps("mobilenet_v2")]
    found = inspect_taps(build_model("deeplabv3plus/mobilenet_v2", 2), names, 513)
    assert [tap.stride for tap in found] == [4, 8, 16, 16, 16, 4]


def test_the_encoder_starts_from_a_classification_network(network):
    encoder, model = network
    state = build_model(encoder, 7).state_dict()
    before = len(state)
    model.load_backbone(state)
    assert len(state) == before
    own = model.encoder.state_dict()
    assert own and all(torch.equal(own[name], state[name]) for name in own)
    with pytest.raises(RuntimeError):
        model.load_backbone(build_model("resnet34", 7).state_dict())


def test_what_is_unknown_or_missing_is_said(monkeypatch):
    with pytest.raises(DistillError, match="(?s)unknown model.*deeplabv3plus/resnet18"):
        build_model("deeplabv3plus/resnet19", 5)
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(DistillError, match=r"pip install -e \"\.\[segmentation\]\""):
        build_model("deeplabv3plus/resnet18", 5)
