"""Exercise of notebook 02."""

from collections.abc import Callable

import torch
from torch import Tensor

from distill_lib.checks.verdict import first_mistake
from distill_lib.losses import kd_loss


def check_kd(loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """T² · KL(teacher || student), summed over classes, the mean over the batch.

    Args:
        loss: the reader's function of student logits (N, K), teacher logits (N, K) and the
            temperature, giving a scalar.
    """
    cases = [(name, inputs, kd_loss(*inputs)) for name, *inputs in _kd_inputs()]
    print(first_mistake(loss, cases, relative=1e-3, absolute=1e-5))


def _kd_inputs() -> list[tuple[str, Tensor, Tensor, Tensor]]:
    """Name, student logits, teacher logits and temperature, from the easy to the hard."""
    random = torch.Generator().manual_seed(0)
    one, four = torch.tensor(1.0), torch.tensor(4.0)

    def logits(n: int, k: int, scale: float = 3.0) -> Tensor:
        return scale * torch.randn(n, k, generator=random)

    return [
        ("8 images, 10 classes, T = 1", logits(8, 10), logits(8, 10), one),
        ("8 images, 10 classes, T = 4", logits(8, 10), logits(8, 10), four),
        ("3 images, 10 classes, T = 4", logits(3, 10), logits(3, 10), four),
        ("8 images, 100 classes, T = 4", logits(8, 100), logits(8, 100), four),
        ("a student that is very sure, T = 1", logits(8, 10, 300.0), logits(8, 10), one),
        ("a teacher that is very sure, T = 1", logits(8, 10), logits(8, 10, 300.0), one),
    ]
