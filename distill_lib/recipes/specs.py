"""A term of a recipe, as data: its name and its numbers. One registry knows them all."""

from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import ClassVar, get_args

from distill_lib import terms
from distill_lib.losses.overhaul import Distance
from distill_lib.losses.relational import ANGLE_WEIGHT, DISTANCE_WEIGHT
from distill_lib.margin_relu import Tail
from distill_lib.schedules import Decay
from distill_lib.taps import Tap
from distill_lib.terms.overhaul import Position, Stages, StudentTransform, TeacherTransform


def plain(settings) -> dict:
    """A dataclass as plain data, without the keyword-only fields that are at their default.

    So a field that is added later does not change what earlier runs are called.
    """
    values = asdict(settings)
    for f in fields(settings):
        if f.kw_only and values[f.name] == f.default:
            del values[f.name]
    return values


@dataclass(frozen=True)
class Spec:
    """What every term has: a weight, and how it decays over the run (not at all: None)."""

    weight: float = 1.0
    decay: Decay | None = field(default=None, kw_only=True)

    term: ClassVar[type[terms.Term]]

    def build(self, epochs: int) -> terms.Term:
        """The term, for a run of so many epochs."""
        values = self._settings()
        if self.decay is not None:
            values["schedule"] = partial(
                self.decay.factor_at, epochs=epochs, is_feature_loss=self.term.is_feature_loss
            )
        return self.term(**values)

    def _settings(self) -> dict:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "decay"}

    def as_dict(self) -> dict:
        """Plain data with the term's name, from which `spec_from_dict` makes the spec again."""
        return {"term": self.term.name, **plain(self)}


@dataclass(frozen=True)
class FeatureSpec(Spec):
    """A term that compares features: where they are read, if `find_taps` is not to say it.

    A tap is a module's name, such as "layer3.5.relu", and ":pre" or ":post" where that is not the
    term's own side.
    """

    teacher_taps: tuple[str, ...] | None = field(default=None, kw_only=True)
    student_taps: tuple[str, ...] | None = field(default=None, kw_only=True)

    def _settings(self) -> dict:
        named = {role: self._taps(getattr(self, role)) for role in ("teacher_taps", "student_taps")}
        return super()._settings() | named

    def _taps(self, names: tuple[str, ...] | None) -> list[Tap] | None:
        if names is None:
            return None
        split = (name.partition(":") for name in names)
        own = getattr(self, "position", self.term.position)
        return [Tap(module, side or own) for module, _, side in split]


@dataclass(frozen=True)
class CE(Spec):
    """Cross entropy with the labels."""

    weight: float = 1.0
    label_smoothing: float = 0.0

    term: ClassVar = terms.CrossEntropy


@dataclass(frozen=True)
class PixelCE(Spec):
    """Cross entropy of every pixel that has a class."""

    term: ClassVar = terms.PixelCrossEntropy


@dataclass(frozen=True)
class MultiBox(Spec):
    """The loss of a single-shot detector."""

    term: ClassVar = terms.MultiBox


@dataclass(frozen=True)
class KD(Spec):
    """Knowledge distillation; weights 0.1 CE + 0.9 KD at T = 4 are RepDistiller's."""

    weight: float = 0.9
    temperature: float = 4.0

    term: ClassVar = terms.KnowledgeDistillation


@dataclass(frozen=True)
class GKD(Spec):
    """Guided KD; weight 1 on ImageNet, 0.1 on CIFAR-100, T = 1 (CD authors' code)."""

    weight: float = 1.0
    temperature: float = 1.0

    term: ClassVar = terms.GuidedKnowledgeDistillation


@dataclass(frozen=True)
class DKD(Spec):
    """Decoupled KD; its authors' weights for CIFAR-100."""

    weight: float = 1.0
    alpha: float = 1.0
    beta: float = 8.0
    temperature: float = 4.0

    term: ClassVar = terms.DecoupledKnowledgeDistillation


@dataclass(frozen=True)
class OFD(FeatureSpec):
    """Overhaul loss; weight 1/1000 for 32x32 images, 1/10000 for 224 (OFD authors' code).

    The keyword-only fields are the paper's design choices, `terms.Overhaul` explains them.
    """

    weight: float = 1e-3
    tail: Tail = "paper"
    divisors: tuple[float, ...] | None = None
    teacher_transform: TeacherTransform = field(default="margin", kw_only=True)
    student_transform: StudentTransform = field(default="conv_bn", kw_only=True)
    position: Position = field(default="pre", kw_only=True)
    distance: Distance = field(default="partial_l2", kw_only=True)
    stages: Stages = field(default="all", kw_only=True)

    term: ClassVar = terms.Overhaul


@dataclass(frozen=True)
class CD(FeatureSpec):
    """Channel distillation; weight 6 (CD authors' code)."""

    weight: float = 6.0
    connectors: bool = field(default=True, kw_only=True)

    term: ClassVar = terms.Channel


@dataclass(frozen=True)
class AT(FeatureSpec):
    """Attention transfer; weight 1000 is RepDistiller's."""

    weight: float = 1000.0

    term: ClassVar = terms.AttentionTransfer


@dataclass(frozen=True)
class Hint(FeatureSpec):
    """FitNets' hint at the middle tap; weight 100 is RepDistiller's."""

    weight: float = 100.0

    term: ClassVar = terms.Hint


@dataclass(frozen=True)
class RKD(FeatureSpec):
    """Relational KD; 25 and 50 are the paper's."""

    weight: float = 1.0
    distance: float = DISTANCE_WEIGHT
    angle: float = ANGLE_WEIGHT

    term: ClassVar = terms.Relational


TermSpec = CE | KD | GKD | DKD | OFD | CD | AT | Hint | RKD | PixelCE | MultiBox
"""All there are."""
SPECS: dict[str, type[Spec]] = {spec.term.name: spec for spec in get_args(TermSpec)}
"""Term name -> spec, for records."""

WITH_LABELS: dict[str, type[Spec]] = {spec.term.task: spec for spec in (CE, PixelCE, MultiBox)}
"""Task -> what compares with its labels."""


def spec_from_dict(data: dict) -> Spec:
    """The spec that `as_dict` made this of, sequences as tuples.

    Raises:
        KeyError, TypeError: the term or a setting is unknown to this version.
    """
    values = {key: value for key, value in data.items() if key != "term"}
    if "decay" in values:
        values["decay"] = Decay(**values["decay"])
    return SPECS[data["term"]](**values)
