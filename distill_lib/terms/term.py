"""A term is one addend of the loss: a pure function with its weight, schedule and connectors."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn

from distill_lib.taps import Tap


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
    task: str | None = None
    """The one task that it is for, a name in `TASKS`; any if None."""
    is_feature_loss = False
    """Early decay: such a loss acts from the first epoch on, the others after its warm-up."""

    def __init__(self, weight: float = 1.0, schedule: Callable[[int], float] | None = None):
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
