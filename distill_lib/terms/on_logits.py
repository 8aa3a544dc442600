"""Terms that compare logits: with the labels, or with the teacher's."""

import torch.nn.functional as F
from torch import Tensor

from distill_lib.errors import DistillError
from distill_lib.losses import dkd_loss, guided_kd_loss, kd_loss
from distill_lib.losses._shapes import at_least_float32
from distill_lib.terms.term import Outputs, Term


class CrossEntropy(Term):
    """Cross entropy of the student with the labels, the mean over the batch."""

    name = "ce"
    needs_teacher = False
    task = "classification"

    def __init__(self, weight: float = 1.0, *, label_smoothing: float = 0.0, schedule=None):
        super().__init__(weight, schedule)
        if not 0 <= label_smoothing <= 1:
            raise DistillError(
                f"label_smoothing is {label_smoothing}; expected 0 to 1, such as 0.1."
            )
        self.label_smoothing = label_smoothing

    def forward(self, student: Outputs, teacher: Outputs | None, labels: Tensor) -> Tensor:
        return F.cross_entropy(
            at_least_float32(student.logits), labels, label_smoothing=self.label_smoothing
        )


class KnowledgeDistillation(Term):
    """KD with temperature (Hinton et al., 2015): `losses.kd_loss`.

    Explained in notebooks/02_soft_targets.ipynb.
    """

    name = "kd"
    task = "classification"

    def __init__(self, weight: float = 0.9, *, temperature: float = 4.0, schedule=None):
        super().__init__(weight, schedule)
        if not temperature > 0:
            raise DistillError(f"temperature is {temperature}; expected a positive number.")
        self.temperature = temperature

    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return kd_loss(student.logits, teacher.logits, self.temperature)


class GuidedKnowledgeDistillation(KnowledgeDistillation):
    """KD where the teacher is right (GKD; CD's authors' "KDLossv2"): `losses.guided_kd_loss`.

    The authors take weight 1 on ImageNet and 0.1 on CIFAR-100, at temperature 1.
    Explained in notebooks/09_guided_and_early_decay.ipynb.
    """

    name = "gkd"

    def __init__(self, weight: float = 1.0, *, temperature: float = 1.0, schedule=None):
        super().__init__(weight, temperature=temperature, schedule=schedule)

    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return guided_kd_loss(student.logits, teacher.logits, labels, self.temperature)


class DecoupledKnowledgeDistillation(KnowledgeDistillation):
    """DKD (Zhao et al., CVPR 2022): `losses.dkd_loss`; its authors' weights for CIFAR-100.

    Explained in notebooks/02_soft_targets.ipynb.
    """

    name = "dkd"

    def __init__(
        self,
        weight: float = 1.0,
        *,
        alpha: float = 1.0,
        beta: float = 8.0,
        temperature: float = 4.0,
        schedule=None,
    ):
        super().__init__(weight, temperature=temperature, schedule=schedule)
        self.alpha, self.beta = alpha, beta

    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        return dkd_loss(
            student.logits, teacher.logits, labels, self.alpha, self.beta, self.temperature
        )
