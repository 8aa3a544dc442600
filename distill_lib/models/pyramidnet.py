"""PyramidNet for 32x32 images: the channels grow a little at every block.

Paper: Deep Pyramidal Residual Networks (Han et al., CVPR 2017), additive widening, zero-padded
shortcuts. `pyramidnet_<depth>_<alpha>` has basic blocks, depth 6n + 2 (110, alpha 84);
`pyramidnet_<depth>_<alpha>_bottleneck` has bottlenecks, depth 9n + 2 (200, alpha 240). Channels
are rounded as in the OFD authors' code, where the paper rounds down, and the state_dict keys are
those of its checkpoints (conv1, bn1, layer1..3.i.{bn1,conv1,bn2,conv2,bn3,conv3,bn4}, bn_final,
fc). Their zero-padding needs CUDA; this one runs anywhere.

A block begins with a batch norm without ReLU and ends without one, so that only the very last
ReLU lies on every path, and `find_taps` finds that one alone. OFD needs three, which are to be
named: BASIC_TAPS and BOTTLENECK_TAPS are those of the authors' code. A teacher's margin comes from
the batch norm that is tapped; the authors' code taps bn1 in a basic block and reads the margin
from bn2.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from distill_lib.errors import DistillError
from distill_lib.models.initialise import kaiming_fan_out
from distill_lib.taps import Tap

STEM_CHANNELS = 16
BOTTLENECK_EXPANSION = 4

BASIC_TAPS = (Tap("layer2.0.bn1", "post"), Tap("layer3.0.bn1", "post"), Tap("relu_final"))
"""OFD's taps where blocks are basic: the first two batch norms have no ReLU behind them."""
BOTTLENECK_TAPS = (Tap("layer2.0.relu1"), Tap("layer3.0.relu1"), Tap("relu_final"))
"""OFD's taps where blocks are bottlenecks: the first two lie inside the next stage's block."""


class PyramidBlock(nn.Module):
    """What basic block and bottleneck share: shrink and widen the shortcut, and add it."""

    def __init__(self, stride: int):
        super().__init__()
        # Rounds up, as a 3x3 convolution of stride 2 does.
        self.downsample = None if stride == 1 else nn.AvgPool2d(2, ceil_mode=True)

    def with_shortcut(self, out: Tensor, x: Tensor) -> Tensor:
        """The block's output: the residual branch plus its input, widened by zeros."""
        shortcut = x if self.downsample is None else self.downsample(x)
        missing = out.shape[1] - shortcut.shape[1]
        return out + F.pad(shortcut, (0, 0, 0, 0, 0, missing))


class BasicBlock(PyramidBlock):
    """BN-conv-BN-ReLU-conv-BN."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__(stride)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu1(self.bn2(self.conv1(self.bn1(x))))
        return self.with_shortcut(self.bn3(self.conv2(out)), x)


class Bottleneck(PyramidBlock):
    """BN-conv-BN-ReLU-conv-BN-ReLU-conv-BN, the last convolution four times as wide."""

    expansion = BOTTLENECK_EXPANSION

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__(stride)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(channels, channels * self.expansion, 1, bias=False)
        self.bn4 = nn.BatchNorm2d(channels * self.expansion)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu1(self.bn2(self.conv1(self.bn1(x))))
        out = self.relu2(self.bn3(self.conv2(out)))
        return self.with_shortcut(self.bn4(self.conv3(out)), x)


class PyramidNet(nn.Module):
    """PyramidNet: images (N, 3, 32, 32) -> logits (N, num_classes).

    Args:
        depth: 6n + 2 with basic blocks, 9n + 2 with bottlenecks; n blocks in each stage.
        alpha: what the channels grow by from the stem's 16 to the last block, before the
            bottleneck's factor of 4.
        num_classes: K.
        bottleneck: which of the two blocks.
    Raises:
        DistillError: no such depth, or alpha below 1.
    """

    def __init__(self, depth: int, alpha: int, num_classes: int = 10, *, bottleneck: bool = False):
        super().__init__()
        block, layers, usual = (
            (Bottleneck, 9, "11, 20, 110 or 200") if bottleneck else (BasicBlock, 6, "8, 20 or 110")
        )
        if depth < layers + 2 or (depth - 2) % layers:
            raise DistillError(
                f"PyramidNet depth is {depth} with blocks of type {block.__name__}; "
                f"expected {layers}n + 2: {usual}."
            )
        if alpha < 1:
            raise DistillError(f"PyramidNet alpha is {alpha}; expected 1 or more.")
        blocks = (depth - 2) // layers
        self.conv1 = nn.Conv2d(3, STEM_CHANNELS, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        channels = STEM_CHANNELS
        stages = [[], [], []]
        for i in range(3 * blocks):
            widened = round(STEM_CHANNELS + alpha * (i + 1) / (3 * blocks))
            stride = 2 if i in (blocks, 2 * blocks) else 1
            stages[i // blocks].append(block(channels, widened, stride))
            channels = widened * block.expansion
        self.layer1, self.layer2, self.layer3 = (nn.Sequential(*stage) for stage in stages)
        self.bn_final = nn.BatchNorm2d(channels)
        self.relu_final = nn.ReLU()
        self.fc = nn.Linear(channels, num_classes)
        kaiming_fan_out(self)

    def forward(self, images: Tensor) -> Tensor:
        x = self.bn1(self.conv1(images))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = self.relu_final(self.bn_final(x))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def pyramidnet(name: str, num_classes: int) -> PyramidNet:
    """The network that a name such as `pyramidnet_110_84` stands for."""
    _, depth, alpha, *bottleneck = name.split("_")
    return PyramidNet(int(depth), int(alpha), num_classes, bottleneck=bool(bottleneck))
