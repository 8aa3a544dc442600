"""The term of Channel Distillation (Zhou et al., 2020)."""

from torch import Tensor, nn

from distill_lib.losses import channel_loss
from distill_lib.terms.on_features import FeatureTerm, connector
from distill_lib.terms.term import Outputs


class Channel(FeatureTerm):
    """CD: the spatial means of the student's stages, through connectors, approach the teacher's.

    Connectors are 1x1 convolution without bias, batch norm and ReLU, also where the widths agree.
    The two networks' stages may differ in spatial size. The raw value is `losses.channel_loss`.

    Args:
        weight: 6 in the paper's experiments (CD authors' code).

    The other arguments are those of `FeatureTerm`.
    Explained in notebooks/08_channel_distillation.ipynb.
    """

    name = "cd"
    same_size = False

    def __init__(self, weight: float = 6.0, **settings):
        super().__init__(weight, **settings)

    def build_connector(self, student_channels: int, teacher_channels: int) -> nn.Module:
        """Convolution, batch norm and ReLU."""
        return connector(student_channels, teacher_channels).append(nn.ReLU())

    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return channel_loss(*self.features(student, teacher))
