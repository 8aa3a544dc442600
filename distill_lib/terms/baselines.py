"""The feature terms that the two papers' tables compare with: AT, FitNets and RKD."""

from torch import Tensor, nn

from distill_lib.losses import attention_loss, hint_loss, rkd_loss
from distill_lib.losses.relational import ANGLE_WEIGHT, DISTANCE_WEIGHT
from distill_lib.taps import Tap
from distill_lib.terms.on_features import Dropped, FeatureTerm, connector


class AttentionTransfer(FeatureTerm):
    """AT (Zagoruyko and Komodakis, ICLR 2017): spatial attention maps at every tap, no connector.

    Args:
        weight: 1000 as RepDistiller has it.

    The other arguments are those of `FeatureTerm`. The raw value is `losses.attention_loss`.
    """

    name = "at"

    def __init__(self, weight: float = 1000.0, **settings):
        super().__init__(weight, **settings)

    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        return attention_loss([student], [teacher])


class Hint(FeatureTerm):
    """FitNets (Romero et al., ICLR 2015): the student's middle tap, through a connector.

    Of the pairs that are found the middle one is taken, the finer of two: the second of three or
    four, block3.layer.0.relu1 of a WRN and layer2 of a ResNet. Differs from the paper: it counts
    from the first step on, where the paper trains by it alone at first, and the connector is a 1x1
    convolution and a batch norm. The raw value is `losses.hint_loss`.

    Args:
        weight: 100 as RepDistiller has it.

    The other arguments are those of `FeatureTerm`; taps that are named are all read.
    """

    name = "hint"

    def __init__(self, weight: float = 100.0, **settings):
        super().__init__(weight, **settings)

    def match(self, teacher: list[Tap], student: list[Tap]) -> tuple[list[Tap], list[Tap], Dropped]:
        """The middle pair."""
        teacher, student, dropped = super().match(teacher, student)
        middle = (len(teacher) - 1) // 2
        return [teacher[middle]], [student[middle]], dropped

    def build_connector(self, student_channels: int, teacher_channels: int) -> nn.Module:
        """Convolution and batch norm."""
        return connector(student_channels, teacher_channels)

    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        return hint_loss([student], [teacher])


class Relational(FeatureTerm):
    """RKD (Park et al., CVPR 2019): distances and angles between the samples of a batch.

    Of each network the last tap that is found; sizes and channels may differ, no connector. The raw
    value is `losses.rkd_loss`, summed over the pairs where several are named.

    Args:
        weight: of both together.
        distance, angle: 25 and 50 in the paper.

    The other arguments are those of `FeatureTerm`.
    """

    name = "rkd"
    on_maps = False
    same_size = False

    def __init__(
        self,
        weight: float = 1.0,
        *,
        distance: float = DISTANCE_WEIGHT,
        angle: float = ANGLE_WEIGHT,
        **settings,
    ):
        super().__init__(weight, **settings)
        self.distance, self.angle = distance, angle

    def find(self, model: nn.Module, image_size: int) -> list[Tap]:
        """The last tap."""
        return super().find(model, image_size)[-1:]

    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        return rkd_loss(student, teacher, distance=self.distance, angle=self.angle)
