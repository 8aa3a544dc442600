"""Terms that compare logits: with the labels, or with the teacher's."""

import torch.nn.functional as F
from torch import Tensor

from distill_lib.errors import DistillError
from distill_lib.losses import kd_loss
from distill_lib.terms.term import Outputs, Term


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
