"""SSD with a ResNet backbone, on torchvision's parts: an ordinary network with raw predictions.

Paper: SSD: Single Shot MultiBox Detector (Liu et al., ECCV 2016), with torchvision's ResNet in
place of VGG. Six feature maps are read: the stages of stride 8, 16 and 32, and three extra layers
of half the resolution each, with batch norms, so that OFD finds a margin at every tap. Anchors
have the sizes in pixels of torchvision's ssd300_vgg16, at most the image's: as shares of a smaller
image they would be too small for the strides, and most boxes would match none.

In train and evaluation mode alike forward takes a batch that the data set has resized and
normalised, and gives what the heads say. So teacher and student see the very same images, a hook
reads every map, and the suppression of double boxes runs where boxes are wanted: in `detect`.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import get_model
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD, SSDHead

from distill_lib.errors import unknown_name
from distill_lib.losses import Predictions
from distill_lib.models.resnet_cifar import TORCHVISION_DEPTHS

ASPECT_RATIOS = [[2], [2, 3], [2, 3], [2, 3], [2], [2]]
ANCHOR_SIZES = (21, 45, 99, 153, 207, 261, 315)
"""In pixels, of each map, and of one map more; between two sizes lies one further square."""
EXTRA_CHANNELS = (512, 256, 256)
MOST_DETECTIONS = 100
"""Boxes kept of an image: as many as COCO's average precision looks at."""


class Backbone(nn.Module):
    """Images (N, 3, H, W) -> six maps of stride 8, 16, 32, 64, 128 and 256."""

    def __init__(self, resnet: str):
        super().__init__()
        self.resnet = get_model(resnet, weights=None)
        self.channels = [self.resnet.get_submodule(f"layer{i}.0").conv1.in_channels for i in (3, 4)]
        self.channels += [self.resnet.fc.in_features, *EXTRA_CHANNELS]
        del self.resnet.fc, self.resnet.avgpool
        self.extras = nn.ModuleList(
            _extra(*pair) for pair in zip(self.channels[2:], EXTRA_CHANNELS, strict=False)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        net = self.resnet
        x = net.layer1(net.maxpool(net.relu(net.bn1(net.conv1(images)))))
        maps = []
        for layer in (net.layer2, net.layer3, net.layer4, *self.extras):
            x = layer(x)
            maps.append(x)
        return maps


class _Halving(nn.Conv2d):
    """A convolution of stride 2; of stride 1 on a map of one place, where both give the same.

    There the gradient of a strided weight is unwritten memory: oneDNN in bf16, torch 2.14 and 2.15.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] == (1, 1):
            return F.conv2d(x, self.weight, self.bias, stride=1, padding=self.padding)
        return super().forward(x)


def _extra(in_channels: int, out_channels: int) -> nn.Sequential:
    half = out_channels // 2
    layers = nn.Sequential(
        nn.Conv2d(in_channels, half, 1, bias=False),
        nn.BatchNorm2d(half),
        nn.ReLU(),
        _Halving(half, out_channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )
    for i in (0, 3):
        nn.init.kaiming_normal_(layers[i].weight, mode="fan_out", nonlinearity="relu")
    return layers


def anchors_of(images: Tensor, grids: Sequence[Sequence[int]]) -> Tensor:
    """x1 y1 x2 y2 in pixels of the anchors at each place of each map, (A, 4).

    Args:
        images: (N, 3, H, W).
        grids: height and width of the maps.
    """
    size = images.shape[-2:]
    scales = [pixels / max(size) for pixels in ANCHOR_SIZES]
    # The generator takes its number format from the maps: under autocast theirs is too coarse.
    maps = [images.new_empty(0, 0, *grid) for grid in grids]
    generator = DefaultBoxGenerator(ASPECT_RATIOS, scales=scales)
    return generator(ImageList(images, [tuple(size)]), maps)[0]


class ResNetSSD(SSD):
    """Images (N, 3, S, S), normalised -> `Predictions`.

    Args:
        resnet: "resnet18", "resnet34", "resnet50", "resnet101" or "resnet152".
        num_classes: K, without the background.
    """

    def __init__(self, resnet: str, num_classes: int):
        backbone, anchors = Backbone(resnet), DefaultBoxGenerator(ASPECT_RATIOS)
        per_place = anchors.num_anchors_per_location()
        super().__init__(
            backbone,
            anchors,
            size=(300, 300),  # of torchvision's own transform, which is not used
            num_classes=num_classes + 1,
            head=SSDHead(backbone.channels, per_place, num_classes + 1),
            detections_per_img=MOST_DETECTIONS,
        )

    def forward(self, images: Tensor) -> Predictions:
        size = tuple(images.shape[-2:])
        maps = self.backbone(images)
        said = self.head(maps)
        anchors = anchors_of(images, [x.shape[-2:] for x in maps])
        return Predictions(said["cls_logits"], said["bbox_regression"], anchors, size)

    def detect(self, predictions: Predictions) -> list[dict[str, Tensor]]:
        """Boxes of the images: no two of a class that overlap by more than 0.45.

        Returns:
            for each image boxes (M, 4), x1 y1 x2 y2 in pixels, scores (M,) and labels (M,) in 1..K.
        """
        count = len(predictions.class_logits)
        said = {
            "cls_logits": predictions.class_logits.float(),
            "bbox_regression": predictions.box_offsets.float(),
        }
        return self.postprocess_detections(
            said, [predictions.anchors] * count, [predictions.image_size] * count
        )

    def load_backbone(self, state: dict[str, Tensor]) -> None:
        """Start the ResNet from a torchvision classification network; its classifier is left out.

        Raises:
            RuntimeError: the weights are of another network.
        """
        own = {name: value for name, value in state.items() if not name.startswith("fc.")}
        self.backbone.resnet.load_state_dict(own)


def ssd(name: str, num_classes: int) -> ResNetSSD:
    """The network that a name such as `ssd/resnet50` stands for.

    Raises:
        DistillError: no such ResNet.
    """
    resnet = name.partition("/")[2]
    known = [f"resnet{depth}" for depth in TORCHVISION_DEPTHS]
    if resnet not in known:
        raise unknown_name("model", name, (f"ssd/{each}" for each in known))
    return ResNetSSD(resnet, num_classes)
