"""Wide ResNet for 32x32 images, WRN-d-k: depth d, width k.

Paper: Wide Residual Networks (Zagoruyko and Komodakis, BMVC 2016). The state_dict keys are those
of published checkpoints (conv1, block1..3.layer.i.{bn1,conv1,bn2,conv2,convShortcut}, bn1, fc),
so weights made with the OFD authors' and other common code load strictly. Every ReLU is a module
of its own and out-of-place, so that its input can be tapped.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from distill_lib.errors import DistillError
from distill_lib.models.initialise import kaiming_fan_out

STEM_CHANNELS = 16


class BasicBlock(nn.Module):
    """BN-ReLU-conv twice, plus the identity or a 1x1 convolution of the activated input."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        # Named against our style: published checkpoints have this key.
        self.convShortcut = (
            None
            if in_channels == out_channels
            else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        activated = self.relu1(self.bn1(x))
        shortcut = x if self.convShortcut is None else self.convShortcut(activated)
        out = self.conv1(activated)
        out = self.conv2(self.relu2(self.bn2(out)))
        return out + shortcut


class Group(nn.Module):
    """A run of blocks at one resolution."""

    def __init__(self, blocks: int, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.layer = nn.Sequential(
            *(
                BasicBlock(
                    in_channels if i == 0 else out_channels, out_channels, stride if i == 0 else 1
                )
                for i in range(blocks)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class WideResNet(nn.Module):
    """WRN-d-k: images (N, 3, 32, 32) -> logits (N, num_classes).

    Args:
        depth: d = 6n + 4, n blocks in each of the three groups.
        width: k, the groups have 16k, 32k and 64k channels.
        num_classes: K.
    Raises:
        DistillError: the depth is not 6n + 4, or the width is below 1.
    """

    def __init__(self, depth: int, width: int, num_classes: int = 10):
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise DistillError(f"WRN depth is {depth}; expected 6n + 4: 10, 16, 22, 28, 34 or 40.")
        if width < 1:
            raise DistillError(f"WRN width is {width}; expected 1 or more.")
        blocks = (depth - 4) // 6
        channels = [STEM_CHANNELS * width * 2**i for i in range(3)]
        self.conv1 = nn.Conv2d(3, STEM_CHANNELS, 3, padding=1, bias=False)
        self.block1 = Group(blocks, STEM_CHANNELS, channels[0], stride=1)
        self.block2 = Group(blocks, channels[0], channels[1], stride=2)
        self.block3 = Group(blocks, channels[1], channels[2], stride=2)
        self.bn1 = nn.BatchNorm2d(channels[2])
        self.relu = nn.ReLU()
        self.fc = nn.Linear(channels[2], num_classes)
        kaiming_fan_out(self)

    def forward(self, images: Tensor) -> Tensor:
        x = self.block3(self.block2(self.block1(self.conv1(images))))
        x = self.relu(self.bn1(x))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def wide_resnet(name: str, num_classes: int) -> WideResNet:
    """The network that a name such as `wrn_16_2` stands for."""
    depth, width = (int(part) for part in name.split("_")[1:])
    return WideResNet(depth, width, num_classes)
