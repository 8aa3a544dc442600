"""Exercise of notebook 09."""

from collections.abc import Callable

import torch
from torch import Tensor

from distill_lib.checks.verdict import CORRECT, first_mistake
from distill_lib.losses import guided_kd_loss

TOLERANCE = {"relative": 1e-3, "absolute": 1e-5}


def check_guided(loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Guided KD at T = 1: its value, and its gradient by the student's logits.

    Args:
        loss: the reader's function of student logits (N, K), teacher logits (N, K) and labels
            (N,), giving a scalar.
    """
    for name, *inputs in _batches():
        want = guided_kd_loss(*inputs, temperature=1.0)
        verdict = first_mistake(loss, [(name, tuple(inputs), want)], **TOLERANCE)
        if verdict == CORRECT:
            verdict = _gradient_verdict(loss, name, inputs)
        if verdict != CORRECT:
            print(verdict)
            return
    print(CORRECT)


def _gradient_verdict(loss: Callable[..., Tensor], name: str, inputs: list[Tensor]) -> str:
    want = _gradient(lambda *batch: guided_kd_loss(*batch, temperature=1.0), *inputs)
    try:
        got = _gradient(loss, *inputs)
    except RuntimeError as error:
        return (
            f"wrong at {name}: the value is right, but backward() fails ({error}); "
            "it must depend on the student's logits"
        )
    near = torch.isclose(got, want, rtol=TOLERANCE["relative"], atol=TOLERANCE["absolute"])
    if near.all():
        return CORRECT
    sample, k = (~near).nonzero()[0].tolist()
    return (
        f"wrong at {name}: the value is right, but the gradient by logit {k} of sample {sample} is "
        f"{got[sample, k]:.4f}, want {want[sample, k]:.4f}"
    )


def _gradient(
    loss: Callable[..., Tensor], student: Tensor, teacher: Tensor, labels: Tensor
) -> Tensor:
    student = student.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(student, teacher.clone(), labels.clone()), student)
    return gradient


def _batches() -> list[tuple[str, Tensor, Tensor, Tensor]]:
    """Name, student logits, teacher logits and labels, from the easy to the hard."""
    random = torch.Generator().manual_seed(0)

    def batch(right: list[bool], scale: float = 2.0) -> tuple[Tensor, Tensor, Tensor]:
        student, teacher = (torch.randn(len(right), 10, generator=random) for _ in range(2))
        wrong = ~torch.tensor(right)
        labels = (teacher.argmax(1) + wrong.long()) % 10  # off by one where it is to be wrong
        return 2 * student, scale * teacher, labels

    return [
        ("4 samples, the teacher right in all", *batch([True] * 4)),
        ("4 samples, the teacher right in three", *batch([True, False, True, True])),
        ("8 samples, the teacher right in one", *batch([False] * 7 + [True])),
        ("4 samples, the teacher right in none", *batch([False] * 4)),
        ("a teacher that is very sure", *batch([True, True, False], scale=300.0)),
        ("a teacher that is very sure, and right in none", *batch([False] * 2, scale=300.0)),
    ]
