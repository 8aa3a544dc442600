"""What terms that compare features share: connectors, and taps in pairs."""

from collections.abc import Sequence

from torch import nn

from distill_lib.errors import FeatureError
from distill_lib.taps import Tap, find_taps, inspect_taps


def connector(student_channels: int, teacher_channels: int) -> nn.Sequential:
    """OFD's student transform: 1x1 convolution without bias, then batch norm, no ReLU.

    Kaiming fan-out initialised. OFD, section 3.1 ("student transform").
    """
    convolution = nn.Conv2d(student_channels, teacher_channels, 1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(teacher_channels))


def taps_of(model: nn.Module, wanted: Sequence[Tap] | None, image_size: int) -> list[Tap]:
    if wanted is None:
        return find_taps(model, image_size)
    return inspect_taps(model, wanted, image_size)


def check_pairs(teacher_taps: Sequence[Tap], student_taps: Sequence[Tap]) -> None:
    """Refuse taps that do not pair up, before any training.

    Raises:
        FeatureError: their number or their spatial sizes differ.
    """
    lists = (
        f"  Teacher: {', '.join(f'{t} (stride {t.stride})' for t in teacher_taps)}\n"
        f"  Student: {', '.join(f'{t} (stride {t.stride})' for t in student_taps)}\n"
    )
    if len(teacher_taps) != len(student_taps):
        raise FeatureError(
            f"teacher has {len(teacher_taps)} taps, student {len(student_taps)}: "
            f"expected as many in both.\n{lists}"
            "  Name them: teacher_taps=[Tap(...), ...], student_taps=[Tap(...), ...]."
        )
    for i, (teacher, student) in enumerate(zip(teacher_taps, student_taps, strict=True)):
        if teacher.stride != student.stride:
            raise FeatureError(
                f"pair {i + 1} of {len(teacher_taps)}: teacher's tap {teacher} and student's tap "
                f"{student} differ in spatial size (strides {teacher.stride} and "
                f"{student.stride}): expected equal sizes.\n{lists}"
                "  Name taps of equal size: teacher_taps=[...], student_taps=[...]."
            )
