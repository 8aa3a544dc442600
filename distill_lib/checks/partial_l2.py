"""Exercise of notebook 05."""

from collections.abc import Callable

import torch
from torch import Tensor

from distill_lib.checks.verdict import first_mistake


def check_gradient(gradient: Callable[[Tensor, Tensor], Tensor]) -> None:
    """The derivative of partial L2 by the student, compared with autograd's.

    Args:
        gradient: the reader's function of student and teacher, giving their shape.
    """
    cases = [
        (name, (student, teacher), _by_autograd(student, teacher))
        for name, student, teacher in _pairs()
    ]
    print(first_mistake(gradient, cases, relative=1e-4, absolute=1e-6))


def _by_autograd(student: Tensor, teacher: Tensor) -> Tensor:
    """What torch derives from the definition, without the library's own backward."""
    student = student.clone().requires_grad_()
    skipped = (student <= teacher) & (teacher <= 0)
    difference = torch.where(skipped, 0.0, student - teacher)
    (gradient,) = torch.autograd.grad(difference.square().sum(), student)
    return gradient


def _pairs() -> list[tuple[str, Tensor, Tensor]]:
    """Names, students and teachers, from the easy to the hard."""
    points = [
        ("student 1, teacher 2", 1.0, 2.0),
        ("student 2, teacher 1", 2.0, 1.0),
        ("student -2, teacher -1 (low enough)", -2.0, -1.0),
        ("student -1, teacher -2 (too high)", -1.0, -2.0),
        ("student -1, teacher 0 (on the border)", -1.0, 0.0),
        ("student -1, teacher 1", -1.0, 1.0),
        ("student 1, teacher -1", 1.0, -1.0),
    ]
    random = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(2, 3, 4, 4, generator=random) for _ in range(2))
    low = float("-inf")
    return [
        *((name, torch.tensor([s]), torch.tensor([t])) for name, s, t in points),
        ("random features (2, 3, 4, 4)", student, teacher),
        ("student -inf, teacher -1 (an overflow, low enough)", torch.tensor([low]), -torch.ones(1)),
    ]
