"""Exercise of notebook 03."""

from collections.abc import Callable

import torch
from torch import Tensor

from distill_lib.checks.verdict import first_mistake
from distill_lib.margin_relu import margin_from_batch_norm


def check_margin(margin: Callable[[Tensor, Tensor], Tensor]) -> None:
    """E[x | x < 0] of x ~ N(bias, weight²), stable where it is tiny.

    Args:
        margin: the reader's function of weight (C,) and bias (C,), giving (C,).
    """
    cases = [
        (name, (weight, bias), margin_from_batch_norm(weight, bias, tail="exact"))
        for name, weight, bias in _margin_inputs()
    ]
    print(first_mistake(margin, cases, relative=0.01, absolute=1e-4))


def _margin_inputs() -> list[tuple[str, Tensor, Tensor]]:
    """Names and inputs in float32, from the easy to the hard."""
    ratios = (0.0, 1.0, -2.0, 3.0)
    one = torch.ones(1)
    easy = [(f"bias/weight = {ratio:g}", one, ratio * one) for ratio in ratios]
    random = torch.Generator().manual_seed(0)
    weight = 0.1 + torch.rand(64, generator=random)
    bias = weight * (4 * torch.rand(64, generator=random) - 2)
    return [
        *easy,
        ("64 random channels", weight, bias),
        ("weight = -0.5, bias = 0.5", -0.5 * one, 0.5 * one),
        ("bias/weight = 4", 0.2 * one, 0.8 * one),
        ("bias/weight = 14", one, 14 * one),
        ("bias/weight = -14", one, -14 * one),
    ]
