"""How our networks start: as the authors' do."""

from torch import nn


def kaiming_fan_out(model: nn.Module) -> None:
    """Draw every convolution from N(0, 2 / fan-out) (He et al., 2015), and zero `model.fc.bias`."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.zeros_(model.fc.bias)
