"""Two kinds of ResNet for 32x32 images, which share nothing but the idea.

`resnet<depth>_cifar`, depth 6n + 2 (20, 32, 44, 56, 110): the three-stage network of
    Deep Residual Learning for Image Recognition (He et al., CVPR 2016), section 4.2, with 16, 32
    and 64 channels. Where the resolution changes the shortcut is a 1x1 convolution with batch
    norm, as in the OFD authors' code (He et al. pad with zeros on CIFAR); ResNet-56 has 0.86 M
    parameters either way. Their code moves the ReLU from the end of a block to the start of the
    next one, so as to return what comes before it; the function and the state_dict keys are the
    same, and here a tap reads the ReLU's input where it is.
`resnet<depth>_stem3x3`, depth 18, 34, 50, 101 or 152: torchvision's four-stage ResNet with a 3x3
    stem of stride 1 and no max-pool, the network of the CD authors' CIFAR experiments. The class
    and the state_dict keys are torchvision's.

Mind the depths that are legal in both: `resnet50_cifar` has 0.76 M parameters with 100 classes,
`resnet50_stem3x3` 23.71 M.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from distill_lib.errors import DistillError
from distill_lib.models.initialise import kaiming_fan_out

CHANNELS = (16, 32, 64)
TORCHVISION_DEPTHS = (18, 34, 50, 101, 152)


class BasicBlock(nn.Module):
    """conv-BN-ReLU-conv-BN, plus the identity or a projection, then ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = (
            None
            if in_channels == out_channels
            else nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        )
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(out)) + shortcut)


class CifarResNet(nn.Module):
    """Three-stage ResNet: images (N, 3, 32, 32) -> logits (N, num_classes).

    Args:
        depth: 6n + 2, n blocks in each of the three stages.
        num_classes: K.
    Raises:
        DistillError: the depth is not 6n + 2.
    """

    def __init__(self, depth: int, num_classes: int = 10):
        super().__init__()
        if depth < 8 or (depth - 2) % 6:
            hint = (
                f"\n  The torchvision layout for small images is resnet{depth}_stem3x3."
                if depth in TORCHVISION_DEPTHS
                else ""
            )
            raise DistillError(
                f"three-stage ResNet depth is {depth}; "
                f"expected 6n + 2: 8, 14, 20, 32, 44, 56 or 110.{hint}"
            )
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(3, CHANNELS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(CHANNELS[0])
        self.relu = nn.ReLU()
        self.layer1 = _stage(blocks, CHANNELS[0], CHANNELS[0], stride=1)
        self.layer2 = _stage(blocks, CHANNELS[0], CHANNELS[1], stride=2)
        self.layer3 = _stage(blocks, CHANNELS[1], CHANNELS[2], stride=2)
        self.fc = nn.Linear(CHANNELS[2], num_classes)
        kaiming_fan_out(self)

    def forward(self, images: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def _stage(blocks: int, in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    first = BasicBlock(in_channels, out_channels, stride)
    return nn.Sequential(
        first, *(BasicBlock(out_channels, out_channels, 1) for _ in range(blocks - 1))
    )


def cifar_resnet(name: str, num_classes: int) -> CifarResNet:
    """The network that a name such as `resnet56_cifar` stands for."""
    return CifarResNet(_depth(name), num_classes)


def stem3x3_resnet(name: str, num_classes: int) -> nn.Module:
    """The network that a name such as `resnet50_stem3x3` stands for.

    Raises:
        DistillError: torchvision has no ResNet of this depth.
    """
    from torchvision.models import get_model

    depth = _depth(name)
    if depth not in TORCHVISION_DEPTHS:
        raise DistillError(
            f"ResNet depth is {depth} in {name!r}; "
            f"expected one of {', '.join(map(str, TORCHVISION_DEPTHS))}."
        )
    model = get_model(f"resnet{depth}", weights=None, num_classes=num_classes)
    model.conv1 = nn.Conv2d(3, model.conv1.out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    model.maxpool = nn.Identity()
    return model


def _depth(name: str) -> int:
    return int(name.removeprefix("resnet").split("_")[0])
