"""The term of OFD: connectors, margins of the teacher, partial L2 (Heo et al., ICCV 2019).

Each of the paper's design choices (section 3) is an argument with OFD's own choice as its default.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from distill_lib.errors import DistillError, FeatureError, unknown_name
from distill_lib.losses import default_divisors, overhaul_loss
from distill_lib.losses.overhaul import Distance
from distill_lib.margin_relu import Tail, margin_from_batch_norm
from distill_lib.measured_margins import MeasuredMargins
from distill_lib.taps import Tap, module_at
from distill_lib.terms.on_features import Dropped, FeatureTerm, connector
from distill_lib.terms.term import Outputs

TeacherTransform = Literal["margin", "relu", "none"]
StudentTransform = Literal["conv_bn", "conv"]
Position = Literal["pre", "post"]
Stages = Literal["all", "last"]
CONSTANT_MARGINS = {"relu": 0.0, "none": torch.finfo(torch.float32).min}
"""Teacher transforms that are margin ReLUs too, of a margin that no batch norm has a say in.

The lowest finite number, not -inf: `fit` keeps no checkpoint that holds an infinity.
"""


class Overhaul(FeatureTerm):
    """OFD: connectors on the student, margin ReLU on the teacher, partial L2 between them.

    The raw value is `losses.overhaul_loss` divided by the batch size N.

    Args:
        weight: 1/1000 for 32x32 images, 1/10000 for 224 (OFD authors' code; the paper gives no
            value).
        tail: which closed-form margin where negatives are rare: "paper" or "exact".
        divisors: one for each tap; 2^(n-1-i) if not given.
        margins: `margin_from_data(...)` of this very teacher, for taps with no batch norm before
            them; otherwise the closed form of the batch norm.
        teacher_transform: the teacher's features go through margin ReLU, ReLU or nothing. Under
            partial L2 with "relu" a student that is negative where the teacher is is low enough;
            with "none" it must be as low as the teacher.
        student_transform: the connector, 1x1 convolution with or without batch norm.
        position: both networks are read before or after the ReLU. After it nothing is negative, so
            that "post" goes with teacher_transform "none" alone.
        distance: what is summed, `feature_distance`. The default weight is for partial L2; sums of
            all squares, or of absolute values, are of other sizes.
        stages: all pairs of taps that are found, or the last alone.

    The other arguments are those of `FeatureTerm`.

    Raises:
        DistillError: a name is unknown, or a choice has no meaning beside another.
    """

    name = "ofd"

    def __init__(
        self,
        weight: float = 1e-3,
        *,
        tail: Tail = "paper",
        divisors: Sequence[float] | None = None,
        margins: MeasuredMargins | None = None,
        teacher_transform: TeacherTransform = "margin",
        student_transform: StudentTransform = "conv_bn",
        position: Position = "pre",
        distance: Distance = "partial_l2",
        stages: Stages = "all",
        **settings,
    ):
        super().__init__(weight, **settings)
        self.tail = tail
        self.divisors = divisors
        self.measured = margins
        self.teacher_transform = teacher_transform
        self.student_transform = student_transform
        self.position = position
        self.distance = distance
        self.stages = stages
        self._check_choices()

    def _check_choices(self) -> None:
        for choice, kind in (
            ("teacher_transform", TeacherTransform),
            ("student_transform", StudentTransform),
            ("position", Position),
            ("distance", Distance),
            ("stages", Stages),
        ):
            if getattr(self, choice) not in get_args(kind):
                raise unknown_name(choice, getattr(self, choice), get_args(kind))
        transform = f"teacher_transform={self.teacher_transform!r}"
        if self.position == "post" and self.teacher_transform != "none":
            raise DistillError(
                f"position='post' with {transform}: features after the ReLU are not negative, so "
                "the transform would change nothing.\n  Say teacher_transform='none' beside it."
            )
        if self.teacher_transform != "margin" and (self.measured or self.tail != "paper"):
            raise DistillError(
                f"{transform} has no margins to choose, and tail={self.tail!r} or margins=... is "
                "given.\n  Leave those out, or say teacher_transform='margin'."
            )
        if self.stages == "last" and self._wanted_taps != (None, None):
            raise DistillError(
                "stages='last' is for taps that are found, and taps are named.\n"
                "  Name the last of them alone."
            )

    def match(self, teacher: list[Tap], student: list[Tap]) -> tuple[list[Tap], list[Tap], Dropped]:
        """All pairs, or the last."""
        teacher, student, dropped = super().match(teacher, student)
        if self.stages == "all":
            return teacher, student, dropped
        dropped += [("teacher", tap) for tap in teacher[:-1]]
        dropped += [("student", tap) for tap in student[:-1]]
        return teacher[-1:], student[-1:], dropped

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
        """Convolution, and batch norm unless the student transform does without."""
        layers = connector(student_channels, teacher_channels)
        return layers if self.student_transform == "conv_bn" else layers[:1]

    def _attach_margins(self, teacher: nn.Module) -> None:
        # A list, so that the teacher's batch norms do not become modules of this term.
        self._norms = []
        constant = CONSTANT_MARGINS.get(self.teacher_transform, 0.0)
        wide = torch.promote_types(next(teacher.parameters()).dtype, torch.float32)
        for i, tap in enumerate(self.teacher_taps):
            self.register_buffer(f"margin{i}", torch.full((tap.channels,), constant, dtype=wide))
            if self.measured is None and self.teacher_transform == "margin":
                norm = None if tap.batch_norm is None else module_at(teacher, tap.batch_norm)
                if norm is None or norm.weight is None:
                    raise FeatureError(
                        f"teacher's tap {tap} has no batch norm with weight and bias before it, "
                        "so its margin has no closed form.\n"
                        "  Measure it: Overhaul(margins=margin_from_data(teacher, images, taps))."
                    )
                self._norms.append(norm)
                norm.register_load_state_dict_post_hook(self._set_margins)
        self.refresh_margins(teacher)
        # Another Distiller's state brings the margins of its teacher: take this one's again.
        self.register_load_state_dict_post_hook(Overhaul._set_margins)

    def refresh_margins(self, teacher: nn.Module) -> None:
        """Compute the margins anew from the teacher's present weights, if they come from there.

        Raises:
            FeatureError: the margins were measured on a teacher with other weights.
        """
        if self.measured is not None:
            self.measured.check_teacher(teacher, self.teacher_taps)
        self._set_margins()

    @torch.no_grad()
    def _set_margins(self, *of_a_hook) -> None:
        """The measured margins, or those of the teacher's present batch norms; constants stay."""
        if self.measured is not None:
            margins = self.measured.margins
        else:
            margins = [margin_from_batch_norm(n.weight, n.bias, self.tail) for n in self._norms]
        for buffer, margin in zip(self.margins, margins, strict=bool(margins)):
            buffer.copy_(margin)

    @property
    def margins(self) -> list[Tensor]:
        """One (C,) for each tap."""
        return [getattr(self, f"margin{i}") for i in range(len(self.teacher_taps))]

    def shares(self, student: Outputs, teacher: Outputs) -> list[Tensor]:
        """Each tap's part of the raw value, divided by its divisor and by N."""
        students, teachers = self.features(student, teacher)
        batch = students[0].shape[0]
        pairs = zip(students, teachers, self.margins, self.divisors, strict=True)
        return [
            overhaul_loss([s], [t], [margin], [d], self.distance) / batch
            for s, t, margin, d in pairs
        ]

    def settings_of_pairs(self) -> dict[str, list[str]]:
        """Where the margins come from, their ranges, and the divisors."""
        return {
            "batch norm": [
                "measured" if self.measured else tap.batch_norm for tap in self.teacher_taps
            ],
            "margin": [f"{margin.min():.2f} .. {margin.max():.2f}" for margin in self.margins],
            "divisor": [f"{divisor:g}" for divisor in self.divisors],
        }
