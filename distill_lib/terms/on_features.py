"""What terms that compare features share: taps found and paired, connectors between them."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from distill_lib.errors import DistillError, FeatureError
from distill_lib.taps import Tap, find_taps, inspect_taps
from distill_lib.terms.term import Outputs, Term

Dropped = list[tuple[str, Tap]]
"""Taps left out of the pairs, each with whose it was: ("teacher", tap) or ("student", tap)."""


class FeatureTerm(Term):
    """A term that compares features of the student, through connectors, with the teacher's.

    Subclasses say at which side of the ReLU they read (`position`), whether features must be maps,
    (N, C, H, W) (`on_maps`), and both of the same height and width (`same_size`), what lies between
    (`build_connector`), and what a pair's part of the raw value is (`compare`).

    Args:
        weight: what the raw value is multiplied by.
        teacher_taps, student_taps: where to read, as many in both; `find_taps` if not given, and
            where it finds more in one network the pairs are matched by size (`match_taps`).
        schedule: epoch (from 1) -> further factor.
    """

    position = "post"
    on_maps = True
    same_size = True
    is_feature_loss = True

    def __init__(
        self,
        weight: float,
        *,
        teacher_taps: Sequence[Tap] | None = None,
        student_taps: Sequence[Tap] | None = None,
        schedule: Callable[[int], float] | None = None,
    ):
        super().__init__(weight, schedule)
        self._wanted_taps = (teacher_taps, student_taps)
        self.dropped_taps: Dropped = []
        self.connectors = nn.ModuleList()

    def attach(self, teacher: nn.Module, student: nn.Module, image_size: int) -> None:
        """Find the taps, check that they pair up, and build the connectors.

        Raises:
            DistillError: another Distiller has this term.
            FeatureError: a tap reads no map where one is needed, or the taps differ in number, or
                in size where that matters.
        """
        if self.teacher_taps:
            raise DistillError(
                f"the term {self.name} is part of a Distiller already, with its connectors.\n"
                "  Build a new one for each Distiller."
            )
        found = [
            self.find(model, image_size) if taps is None else inspect_taps(model, taps, image_size)
            for model, taps in zip((teacher, student), self._wanted_taps, strict=True)
        ]
        if self._wanted_taps == (None, None):
            *found, self.dropped_taps = self.match(*found)
        if self.on_maps:
            for role, taps in zip(("teacher", "student"), found, strict=True):
                self._check_maps(role, taps)
        check_pairs(*found, same_size=self.same_size)
        self.teacher_taps, self.student_taps = found
        for student_tap, teacher_tap in zip(self.student_taps, self.teacher_taps, strict=True):
            self.connectors.append(self.build_connector(student_tap.channels, teacher_tap.channels))

    def _check_maps(self, role: str, taps: Sequence[Tap]) -> None:
        for tap in taps:
            if len(tap.size) != 2:
                shape = ", ".join(map(str, ("N", tap.channels, *tap.size)))
                raise FeatureError(
                    f"{role}'s tap {tap} reads ({shape}), and {self.name} compares maps, "
                    "(N, C, H, W).\n  Name a tap before the global pooling, such as a stage's ReLU."
                )

    def find(self, model: nn.Module, image_size: int) -> list[Tap]:
        """The taps of a network for which none are named."""
        return find_taps(model, image_size, self.position)

    def match(self, teacher: list[Tap], student: list[Tap]) -> tuple[list[Tap], list[Tap], Dropped]:
        """The pairs among taps that were found: in order, or by size where the counts differ."""
        if len(teacher) == len(student):
            return teacher, student, []
        return match_taps(teacher, student)

    def describe_taps(self) -> str:
        """Which features are compared and which are left out, a line each."""
        lines = [
            f"{self.name}: teacher's {teacher} -> student's {student} (stride {teacher.stride})"
            for teacher, student in zip(self.teacher_taps, self.student_taps, strict=True)
        ]
        lines += [
            f"{self.name}: left out {whose}'s {tap} (stride {tap.stride})"
            for whose, tap in self.dropped_taps
        ]
        return "\n".join(lines)

    def build_connector(self, student_channels: int, teacher_channels: int) -> nn.Module:
        """What the student's features go through; nothing unless a subclass says so."""
        return nn.Identity()

    def features(self, student: Outputs, teacher: Outputs) -> tuple[list[Tensor], list[Tensor]]:
        """Connector outputs and the teacher's features, one of each for every pair."""
        transformed = [
            connect(student.taps[tap])
            for connect, tap in zip(self.connectors, self.student_taps, strict=True)
        ]
        return transformed, [teacher.taps[tap] for tap in self.teacher_taps]

    def compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar of one pair: the connector's output and the teacher's feature."""
        raise TypeError(f"{type(self).__name__} is a FeatureTerm without a compare")

    def shares(self, student: Outputs, teacher: Outputs) -> list[Tensor]:
        """Each pair's part of the raw value."""
        pairs = zip(*self.features(student, teacher), strict=True)
        return [self.compare(s, t) for s, t in pairs]

    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return sum(self.shares(student, teacher))

    def settings_of_pairs(self) -> dict[str, list[str]]:
        """What `explain` says of the pairs beside taps and shares: a title, a cell for each."""
        return {}


def connector(student_channels: int, teacher_channels: int) -> nn.Sequential:
    """OFD's student transform: 1x1 convolution without bias, then batch norm, no ReLU.

    Kaiming fan-out initialised. OFD, section 3.2 ("student transform").
    """
    convolution = nn.Conv2d(student_channels, teacher_channels, 1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(teacher_channels))


def match_taps(
    teacher_taps: Sequence[Tap], student_taps: Sequence[Tap]
) -> tuple[list[Tap], list[Tap], Dropped]:
    """Pair taps of different number by their spatial size: those that both networks have.

    Args:
        teacher_taps, student_taps: as `find_taps` gives them, one for each size.
    Returns:
        teacher's taps and student's taps, as many of each, and those left over.
    Raises:
        FeatureError: no size is common.
    """
    common = {tap.size for tap in teacher_taps} & {tap.size for tap in student_taps}
    if not common:
        raise FeatureError(
            f"no tap of the teacher has the size of one of the student's.\n"
            f"{_listed(teacher_taps, student_taps)}  {NAME_THEM}"
        )
    teacher = [tap for tap in teacher_taps if tap.size in common]
    student = [tap for tap in student_taps if tap.size in common]
    dropped = [("teacher", tap) for tap in teacher_taps if tap not in teacher]
    dropped += [("student", tap) for tap in student_taps if tap not in student]
    return teacher, student, dropped


def check_pairs(
    teacher_taps: Sequence[Tap], student_taps: Sequence[Tap], *, same_size: bool = True
) -> None:
    """Refuse taps that do not pair up, before any training.

    Args:
        teacher_taps, student_taps: as `inspect_taps` gives them.
        same_size: whether the two of a pair must agree in spatial size.
    Raises:
        FeatureError: their number or their spatial sizes differ.
    """
    if len(teacher_taps) != len(student_taps):
        raise FeatureError(
            f"teacher has {len(teacher_taps)} taps, student {len(student_taps)}: "
            f"expected as many in both.\n{_listed(teacher_taps, student_taps)}  {NAME_THEM}"
        )
    for i, (teacher, student) in enumerate(zip(teacher_taps, student_taps, strict=True)):
        if same_size and teacher.size != student.size:
            raise FeatureError(
                f"pair {i + 1} of {len(teacher_taps)}: teacher's tap {teacher} and student's tap "
                f"{student} differ in spatial size ({_by(teacher)} and {_by(student)}, strides "
                f"{teacher.stride} and {student.stride}): expected equal sizes.\n"
                f"{_listed(teacher_taps, student_taps)}"
                "  Name taps of equal size: teacher_taps=[...], student_taps=[...]."
            )


NAME_THEM = "Name them: teacher_taps=[Tap(...), ...], student_taps=[Tap(...), ...]."


def _listed(teacher_taps: Sequence[Tap], student_taps: Sequence[Tap]) -> str:
    return "".join(
        f"  {role}: {', '.join(f'{tap} (stride {tap.stride}, {_by(tap)})' for tap in taps)}\n"
        for role, taps in (("Teacher", teacher_taps), ("Student", student_taps))
    )


def _by(tap: Tap) -> str:
    return "x".join(map(str, tap.size or ()))
