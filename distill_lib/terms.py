"""A term is one addend of the loss: a pure function with its weight, schedule and connectors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill_lib.errors import DistillError, FeatureError
from distill_lib.losses import default_divisors, kd_loss, overhaul_loss
from distill_lib.margin_relu import Tail, margin_from_batch_norm
from distill_lib.measured_margins import MeasuredMargins
from distill_lib.taps import Tap, find_taps, inspect_taps, module_at


@dataclass
class Outputs:
    """What a network gave for one batch: logits (N, K), and the features of its taps."""

    logits: Tensor
    taps: dict[Tap, Tensor] = field(default_factory=dict)


class Term(nn.Module):
    """One addend of the loss.

    Subclasses set `name`, say which taps they read, build their connectors in `attach`, and
    compute their raw value in `forward(student, teacher, labels) -> scalar`.

    Args:
        weight: what the raw value is multiplied by.
        schedule: epoch (from 1) -> further factor; 1 if not given.
    """

    name = "term"
    needs_teacher = True

    def __init__(self, weight: float, schedule: Callable[[int], float] | None = None):
        super().__init__()
        self.weight = float(weight)
        self.schedule = schedule
        self.teacher_taps: list[Tap] = []
        self.student_taps: list[Tap] = []

    def weight_at(self, epoch: int) -> float:
        """The weight at an epoch, counted from 1."""
        return self.weight * (1.0 if self.schedule is None else self.schedule(epoch))

    def attach(self, teacher: nn.Module | None, student: nn.Module, image_size: int) -> None:
        """Find the taps and build the connectors; called once, by the Distiller."""

    def forward(self, student: Outputs, teacher: Outputs | None, labels: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} is a Term without a forward")

    def extra_repr(self) -> str:
        return f"weight={self.weight:g}"


class CrossEntropy(Term):
    """Cross entropy of the student with the labels, the mean over the batch."""

    name = "ce"
    needs_teacher = False

    def __init__(self, weight: float = 1.0, *, label_smoothing: float = 0.0, schedule=None):
        super().__init__(weight, schedule)
        self.label_smoothing = label_smoothing

    def forward(self, student: Outputs, teacher: Outputs | None, labels: Tensor) -> Tensor:
        return F.cross_entropy(student.logits.float(), labels, label_smoothing=self.label_smoothing)


class KnowledgeDistillation(Term):
    """KD with temperature (Hinton et al., 2015): `losses.kd_loss`."""

    name = "kd"

    def __init__(self, weight: float = 0.9, *, temperature: float = 4.0, schedule=None):
        super().__init__(weight, schedule)
        if not temperature > 0:
            raise DistillError(f"temperature is {temperature}; expected a positive number.")
        self.temperature = temperature

    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return kd_loss(student.logits, teacher.logits, self.temperature)


def connector(student_channels: int, teacher_channels: int) -> nn.Sequential:
    """OFD's student transform: 1x1 convolution without bias, then batch norm, no ReLU.

    Kaiming fan-out initialised. OFD, section 3.1 ("student transform").
    """
    convolution = nn.Conv2d(student_channels, teacher_channels, 1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(teacher_channels))


class Overhaul(Term):
    """OFD: connectors on the student, margin ReLU on the teacher, partial L2 between them.

    The raw value is `losses.overhaul_loss` divided by the batch size N.

    Args:
        weight: 1/1000 for 32x32 images, 1/10000 for 224 (OFD authors' code; the paper gives no
            value).
        tail: which closed-form margin where negatives are rare: "paper" or "exact".
        divisors: one for each tap; 2^(n-1-i) if not given.
        teacher_taps, student_taps: where to read; `find_taps` if not given.
        margins: `margin_from_data(...)` of this very teacher, for taps with no batch norm before
            them; otherwise the closed form of the batch norm.
    """

    name = "ofd"

    def __init__(
        self,
        weight: float = 1e-3,
        *,
        tail: Tail = "paper",
        divisors: Sequence[float] | None = None,
        teacher_taps: Sequence[Tap] | None = None,
        student_taps: Sequence[Tap] | None = None,
        margins: MeasuredMargins | None = None,
        schedule: Callable[[int], float] | None = None,
    ):
        super().__init__(weight, schedule)
        self.tail = tail
        self.divisors = divisors
        self.measured = margins
        self._wanted_taps = (teacher_taps, student_taps)
        self.connectors = nn.ModuleList()

    def attach(self, teacher: nn.Module, student: nn.Module, image_size: int) -> None:
        """Find the taps, check that they pair up, build connectors and margins.

        Raises:
            FeatureError: the taps differ in number or size, or a teacher's tap has no batch norm.
        """
        wanted_teacher, wanted_student = self._wanted_taps
        self.teacher_taps = _taps_of(teacher, wanted_teacher, image_size)
        self.student_taps = _taps_of(student, wanted_student, image_size)
        check_pairs(self.teacher_taps, self.student_taps)
        if self.divisors is None:
            self.divisors = default_divisors(len(self.teacher_taps))
        if len(self.divisors) != len(self.teacher_taps):
            raise FeatureError(
                f"{len(self.divisors)} divisors for {len(self.teacher_taps)} taps: "
                f"expected one for each of {', '.join(map(str, self.teacher_taps))}."
            )
        for student_tap, teacher_tap in zip(self.student_taps, self.teacher_taps, strict=True):
            self.connectors.append(connector(student_tap.channels, teacher_tap.channels))
        self._attach_margins(teacher)

    def _attach_margins(self, teacher: nn.Module) -> None:
        # A list, so that the teacher's batch norms do not become modules of this term.
        self._norms = []
        for i, tap in enumerate(self.teacher_taps):
            self.register_buffer(f"margin{i}", torch.zeros(tap.channels))
            if self.measured is None:
                norm = None if tap.batch_norm is None else module_at(teacher, tap.batch_norm)
                if norm is None or norm.weight is None:
                    raise FeatureError(
                        f"teacher's tap {tap} has no batch norm with weight and bias before it, "
                        "so its margin has no closed form.\n"
                        "  Measure it: Overhaul(margins=margin_from_data(teacher, images, taps))."
                    )
                self._norms.append(norm)
                norm.register_load_state_dict_post_hook(self._on_teacher_loaded)
        self.refresh_margins(teacher)

    def _on_teacher_loaded(self, module: nn.Module, incompatible_keys) -> None:
        self._refresh_closed_form()

    def refresh_margins(self, teacher: nn.Module) -> None:
        """Compute the margins anew from the teacher's present weights.

        Raises:
            FeatureError: the margins were measured on a teacher with other weights.
        """
        if self.measured is None:
            self._refresh_closed_form()
            return
        self.measured.check_teacher(teacher, self.teacher_taps)
        for buffer, margin in zip(self.margins, self.measured.margins, strict=True):
            buffer.copy_(margin)

    @torch.no_grad()
    def _refresh_closed_form(self) -> None:
        for buffer, norm in zip(self.margins, self._norms, strict=True):
            buffer.copy_(margin_from_batch_norm(norm.weight, norm.bias, self.tail))

    @property
    def margins(self) -> list[Tensor]:
        """One (C,) for each tap."""
        return [getattr(self, f"margin{i}") for i in range(len(self.teacher_taps))]

    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return sum(self.shares(student, teacher))

    def shares(self, student: Outputs, teacher: Outputs) -> list[Tensor]:
        """Each tap's part of the raw value, divided by its divisor and by N."""
        batch = student.logits.shape[0]
        parts = []
        for i, (student_tap, teacher_tap) in enumerate(
            zip(self.student_taps, self.teacher_taps, strict=True)
        ):
            transformed = self.connectors[i](student.taps[student_tap])
            target = teacher.taps[teacher_tap]
            loss = overhaul_loss([transformed], [target], [self.margins[i]], [self.divisors[i]])
            parts.append(loss / batch)
        return parts


def _taps_of(model: nn.Module, wanted: Sequence[Tap] | None, image_size: int) -> list[Tap]:
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
