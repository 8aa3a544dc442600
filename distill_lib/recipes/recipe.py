"""A recipe is one row of a paper's table, as data: no callables, only names and numbers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from distill_lib.data.registry import AnyAugment
from distill_lib.errors import DistillError
from distill_lib.recipes.specs import CE, TermSpec

Budget = Literal["smoke", "laptop", "paper"]
BUDGETS: tuple[Budget, ...] = ("smoke", "laptop", "paper")
"""Seconds on embedded data; a CPU evening; the paper's own settings."""
Number = tuple[str, float, bool, str]
"""A number of a recipe: what it is, its value, whether that fits, what is expected."""


@dataclass(frozen=True)
class Optim:
    """SGD and its learning rate over the run."""

    lr: float = 0.1
    """Base learning rate (step) or peak (one_cycle), for the whole batch."""
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    schedule: Literal["step", "one_cycle", "poly"] = "step"
    milestones: tuple[float, ...] = (100, 150)
    """Where the rate drops, in epochs of a run of `milestones_of` epochs; they scale with it."""
    milestones_of: float = 200
    gamma: float = 0.1
    """What a drop multiplies the rate by."""
    peak_at: float = 0.25
    """Share of a one_cycle run at which the rate peaks."""
    lr_factors: tuple[tuple[str, float], ...] = field(default=(), kw_only=True)
    """("student.decoder", 10): parameters whose name begins so train at a multiple of the rate."""
    connectors_first: int = field(default=0, kw_only=True)
    """Epochs at the start that train the connectors alone, the student held still."""


@dataclass(frozen=True)
class Published:
    """A number to stand beside ours, in per cent."""

    what: str
    top1: float | None = None
    top5: float | None = None
    source: str = ""
    miou: float | None = None
    map50: float | None = None


def published(what: str, top1_error: float, top5_error: float | None, source: str) -> Published:
    """A number of a table of errors, in per cent, as accuracy with the errors' two decimals."""
    errors = (top1_error, top5_error)
    return Published(what, *(None if e is None else round(100 - e, 2) for e in errors), source)


@dataclass(frozen=True)
class Recipe:
    """Everything that a run needs to be run again."""

    name: str
    data: str
    """A data set of `distill_lib.data`."""
    student: str
    """A network of `build_model`."""
    terms: tuple[TermSpec, ...] = (CE(),)
    """The addends of the loss, each with its weight."""
    teacher: str | None = None
    """A recipe whose run is the teacher, weights:<torchvision enum>, or a run folder or file."""
    teacher_model: str | None = None
    """The teacher's network, where `teacher` is a bare file."""
    teacher_mode: Literal["eval", "train"] = "eval"
    """Batch norms of the teacher: running statistics (eval) or the batch's (train)."""
    augment: AnyAugment | None = None
    """Crop, flip and normalisation; the data set's own if none is given."""
    image_size: int = 32
    pretrained: str | None = field(default=None, kw_only=True)
    """What the student's backbone starts from, named as `teacher` is; random weights if None."""
    train_limit: int | None = None
    """Train on so many images only, as many of each class."""
    optim: Optim = Optim()
    batch_size: int = 128
    """Images of one step, over all processes together."""
    epochs: int = 200
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    """Auto takes bf16 where the hardware has it; see `doctor`."""
    seed: int = 0
    budget: Budget = "paper"
    evaluate_every: int = field(default=1, kw_only=True)
    """Test after every so many epochs, and after the last; epochs of few images are many."""
    checkpoint_steps: int = 0
    """Save a checkpoint every so many steps too; 0: after each epoch only."""
    paper: str = ""
    """Where this row stands."""
    note: str = ""
    """What differs from the paper, in one line."""
    published: tuple[Published, ...] = field(default=())

    def __post_init__(self):
        for name in ("batch_size", "epochs", "evaluate_every"):
            if getattr(self, name) < 1:
                raise DistillError(
                    f"recipe {self.name!r}: {name} is {getattr(self, name)}; expected 1 or more."
                )
        if not -(2**63) <= self.seed < 2**63:
            raise DistillError(
                f"recipe {self.name!r}: seed is {self.seed}; expected a number of 64 bits."
            )
        if not self.terms:
            raise DistillError(f"recipe {self.name!r} has no terms: nothing would be trained.")
        for name, value, fits, expected in (*self._numbers_of_optim(), *self._numbers_of_terms()):
            if not (fits and math.isfinite(value)):
                raise DistillError(f"recipe {self.name!r}: {name} is {value}; expected {expected}.")

    def _numbers_of_optim(self) -> Iterator[Number]:
        optim = self.optim
        yield "lr", optim.lr, optim.lr > 0, "above 0"
        yield "weight_decay", optim.weight_decay, optim.weight_decay >= 0, "0 or more"
        yield "momentum", optim.momentum, 0 <= optim.momentum < 1, "0 or more, and below 1"
        with_momentum = optim.momentum > 0 or not optim.nesterov
        advice = "above 0 with nesterov, or --optim.nesterov False beside it"
        yield "momentum", optim.momentum, with_momentum, advice
        yield "gamma", optim.gamma, optim.gamma > 0, "above 0"
        yield "milestones_of", optim.milestones_of, optim.milestones_of > 0, "above 0"
        yield "peak_at", optim.peak_at, 0 <= optim.peak_at < 1, "0 or more, and below 1"
        first = optim.connectors_first
        fits = 0 <= first <= self.epochs or not self.needs_teacher
        yield "connectors_first", first, fits, f"0 to {self.epochs} epochs"
        for prefix, factor in optim.lr_factors:
            yield f"the rate's factor of {prefix}", factor, factor >= 0, "0 or more"

    def _numbers_of_terms(self) -> Iterator[Number]:
        for spec in self.terms:
            of = f"{spec.term.name}'s"
            yield f"{of} weight", spec.weight, spec.weight >= 0, "0 or more"
            for divisor in getattr(spec, "divisors", None) or ():
                yield f"{of} divisor", divisor, divisor > 0, "above 0"
            for name, value in vars(spec).items():
                if isinstance(value, float):
                    yield f"{of} {name}", value, True, "a finite number"

    @property
    def needs_teacher(self) -> bool:
        """Whether one of the terms compares with a teacher."""
        return any(spec.term.needs_teacher for spec in self.terms)


FREE = frozenset("name budget evaluate_every checkpoint_steps paper note published".split())
"""Fields that may change between a run and its resumption; with another value of any other field a
checkpoint is refused."""
