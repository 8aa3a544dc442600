"""MobileNetV1 at width 1.0, the student of OFD's second ImageNet pair.

Paper: MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications (Howard
et al., arXiv 1704.04861, 2017), table 1. The state_dict keys are those of the OFD authors' code
(model.0 the stem, model.1..13 the depthwise-separable blocks, fc). Every ReLU is a module of its
own and out-of-place. The authors' code accepts 224x224 images and 1000 classes only; here the
last pooling takes any size. The taps of the paper's code, the last batch norms of blocks 3, 5, 11
and 13, are those that `find_taps` gives: the last point before the resolution changes.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from distill_lib.models.initialise import kaiming_fan_out

STEM_CHANNELS = 32
BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *[(512, 1)] * 5,
    *((1024, 2), (1024, 1)),
)
"""(channels, stride) of the thirteen blocks."""


class MobileNetV1(nn.Module):
    """Images (N, 3, 224, 224) -> logits (N, num_classes).

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int = 1000):
        super().__init__()
        layers = [nn.Sequential(*_conv_bn_relu(3, STEM_CHANNELS, 3, stride=2))]
        channels = STEM_CHANNELS
        for out_channels, stride in BLOCKS:
            depthwise = _conv_bn_relu(channels, channels, 3, stride, groups=channels)
            layers.append(nn.Sequential(*depthwise, *_conv_bn_relu(channels, out_channels, 1)))
            channels = out_channels
        self.model = nn.Sequential(*layers)
        self.fc = nn.Linear(channels, num_classes)
        kaiming_fan_out(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(F.adaptive_avg_pool2d(self.model(images), 1).flatten(1))


def _conv_bn_relu(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(
        in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
    )
    return convolution, nn.BatchNorm2d(out_channels), nn.ReLU()


def mobilenet_v1(name: str, num_classes: int) -> MobileNetV1:
    """The network that the name `mobilenet_v1` stands for."""
    return MobileNetV1(num_classes)
