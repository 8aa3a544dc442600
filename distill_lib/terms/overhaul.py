"""The term of OFD: connectors, margins of the teacher, partial L2 (Heo et al., ICCV 2019)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from distill_lib.errors import FeatureError
from distill_lib.losses import default_divisors, overhaul_loss
from distill_lib.margin_relu import Tail, margin_from_batch_norm
from distill_lib.measured_margins import MeasuredMargins
from distill_lib.taps import Tap, module_at
from distill_lib.terms.on_features import FeatureTerm, connector
from distill_lib.terms.term import Outputs


class Overhaul(FeatureTerm):
    """OFD: connectors on the student, margin ReLU on the teacher, partial L2 between them.

    The raw value is `losses.overhaul_loss` divided by the batch size N.

    Args:
        weight: 1/1000 for 32x32 images, 1/10000 for 224 (OFD authors' code; the paper gives no
            value).
        tail: which closed-form margin where negatives are rare: "paper" or "exact".
        divisors: one for each tap; 2^(n-1-i) if not given.
        teacher_taps, student_taps: where to read; see `FeatureTerm`.
        margins: `margin_from_data(...)` of this very teacher, for taps with no batch norm before
            them; otherwise the closed form of the batch norm.
    """

    name = "ofd"
    position = "pre"

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
        super().__init__(
            weight, teacher_taps=teacher_taps, student_taps=student_taps, schedule=schedule
        )
        self.tail = tail
        self.divisors = divisors
        self.measured = margins

    def attach(self, teacher: nn.Module, student: nn.Module, image_size: int) -> None:
        """Find the taps, check that they pair up, build connectors and margins.

        Raises:
            FeatureError: the taps differ in number or size, or a teacher's tap has no batch norm.
        """
        super().attach(teacher, student, image_size)
        if self.divisors is None:
            self.divisors = default_divisors(len(self.teacher_taps))
        if len(self.divisors) != len(self.teacher_taps):
            raise FeatureError(
                f"{len(self.divisors)} divisors for {len(self.teacher_taps)} taps: "
                f"expected one for each of {', '.join(map(str, self.teacher_taps))}."
            )
        self._attach_margins(teacher)

    def build_connector(self, student_channels: int, teacher_channels: int) -> nn.Module:
        """Convolution and batch norm."""
        return connector(student_channels, teacher_channels)

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
        students, teachers = self.features(student, teacher)
        batch = students[0].shape[0]
        pairs = zip(students, teachers, self.margins, self.divisors, strict=True)
        return [overhaul_loss([s], [t], [margin], [d]) / batch for s, t, margin, d in pairs]
