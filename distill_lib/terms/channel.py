"""The term of Channel Distillation (Zhou et al., 2020)."""

from torch import Tensor, nn

from distill_lib.errors import FeatureError
from distill_lib.losses import channel_loss
from distill_lib.terms.on_features import FeatureTerm, connector


class Channel(FeatureTerm):
    """CD: the spatial means of the student's stages, through connectors, approach the teacher's.

    Connectors are 1x1 convolution without bias, batch norm and ReLU, also where the widths agree;
    there the student's features can be compared as they are, too.
    The two networks' stages may differ in spatial size. The raw value is `losses.channel_loss`.

    Args:
        weight: 6 in the paper's experiments (CD authors' code).
        connectors: False compares without them, and asks for equal widths.

    The other arguments are those of `FeatureTerm`.
    Explained in notebooks/08_channel_distillation.ipynb.
    """

    name = "cd"
    same_size = False

    def __init__(self, weight: float = 6.0, *, connectors: bool = True, **settings):
        super().__init__(weight, **settings)
        self.has_connectors = connectors

    def build_connector(self, student_channels: int, teacher_channels: int) -> nn.Module:
        """Convolution, batch norm and ReLU, or nothing.

        Raises:
            FeatureError: there shall be none, and the widths differ.
        """
        if self.has_connectors:
            return connector(student_channels, teacher_channels).append(nn.ReLU())
        if student_channels != teacher_channels:
            raise FeatureError(
                f"cd without connectors: the student's tap has {student_channels} channels, the "
                f"teacher's {teacher_channels}: expected as many.\n"
                "  Choose networks of equal width, or say connectors=True."
            )
        return nn.Identity()

    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        return channel_loss([student], [teacher])
