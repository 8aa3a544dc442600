"""Exercise of notebook 06."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from distill_lib.checks.verdict import first_mistake
from distill_lib.losses import overhaul_loss
from distill_lib.margin_relu import margin_from_batch_norm


def check_overhaul(loss: Callable[..., Tensor]) -> None:
    """All four choices of OFD on one pair of feature maps, divided by the batch, to 1e-6.

    Args:
        loss: the reader's function of student (N, C_s, H, W), teacher (N, C_t, H, W), the
            connector's convolution (C_t, C_s, 1, 1), and weight and bias (C_t,) of the teacher's
            batch norm; gives a scalar.
    """
    cases = [(name, inputs, _library(*inputs)) for name, inputs in _pairs()]
    print(first_mistake(loss, cases, relative=1e-6, absolute=0.0))


def _library(
    student: Tensor, teacher: Tensor, convolution: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    answer = F.batch_norm(F.conv2d(student, convolution), None, None, training=True)
    return overhaul_loss([answer], [teacher], [margin_from_batch_norm(weight, bias)]) / len(student)


def _pairs() -> list[tuple[str, tuple[Tensor, ...]]]:
    """Names and inputs in float64, from the easy to the hard."""
    random = torch.Generator().manual_seed(0)

    def pair(n: int, c_s: int, c_t: int, size: int) -> list[Tensor]:
        weight = 0.2 + torch.rand(c_t, generator=random, dtype=torch.float64)
        bias = torch.randn(c_t, generator=random, dtype=torch.float64) / 2
        shapes = ((n, c_s, size, size), (n, c_t, size, size), (c_t, c_s, 1, 1))
        student, noise, convolution = (
            torch.randn(shape, generator=random, dtype=torch.float64) for shape in shapes
        )
        teacher = noise * weight.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)
        return [student, teacher, convolution, weight, bias]

    all_on = pair(1, 2, 2, 2)
    all_on[1] = all_on[1].abs() + 0.1  # nothing is skipped, no margin is needed
    all_off = pair(2, 3, 4, 4)
    all_off[1] = -all_off[1].abs() - 0.1
    mirrored = pair(4, 3, 6, 5)
    mirrored[3] = -mirrored[3]
    return [
        ("one image, the teacher positive everywhere", tuple(all_on)),
        ("two images, the teacher negative everywhere", tuple(all_off)),
        ("eight images", tuple(pair(8, 4, 6, 7))),
        ("negative batch-norm weights", tuple(mirrored)),
    ]
