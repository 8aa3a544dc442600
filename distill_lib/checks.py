"""Checks for the exercises: they say what is wrong with the first input that goes wrong.

A check prints one line and raises nothing, so that a notebook with open exercises runs to its
end: "not attempted yet", "correct", or the input with what was got and what was wanted.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from distill_lib.margin_relu import margin_from_batch_norm
from distill_lib.plots import LABELS

NOT_ATTEMPTED = "not attempted yet"
CORRECT = "correct"
CLOSE = 2.0
"""Points of top-1 within which another seed may well turn an order round (2,000 test images)."""


def check_margin(margin: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Exercise of notebook 03: E[x | x < 0] of x ~ N(bias, weight²), stable where it is tiny.

    Args:
        margin: the reader's function of weight (C,) and bias (C,), giving (C,).
    """
    print(_first_mistake(margin, _margin_inputs(), relative=0.01, absolute=1e-4))


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


def _first_mistake(
    function: Callable[[Tensor, Tensor], Tensor],
    inputs: Sequence[tuple[str, Tensor, Tensor]],
    *,
    relative: float,
    absolute: float,
) -> str:
    """The verdict on a margin function, compared with the library's exact one."""
    for name, weight, bias in inputs:
        want = margin_from_batch_norm(weight, bias, tail="exact")
        try:
            got = function(weight.clone(), bias.clone())
        except Exception as error:  # the reader's code may raise anything; it is shown, not hidden
            return f"wrong at {name}: your function raised {type(error).__name__}: {error}"
        if got is ...:
            return NOT_ATTEMPTED
        if not isinstance(got, Tensor):
            return f"wrong at {name}: got a {type(got).__name__}, want a tensor"
        if got.shape != want.shape:
            return f"wrong at {name}: got shape {tuple(got.shape)}, want {tuple(want.shape)}"
        near = torch.isclose(got.to(want.dtype), want, rtol=relative, atol=absolute)
        if not near.all():
            worst = int((~near).nonzero()[0])
            place = f", channel {worst}" if len(want) > 1 else ""
            return f"wrong at {name}{place}: got {got[worst]:.4f}, want {want[worst]:.4f}"
    return CORRECT


def check_prediction(prediction: Sequence[str], top1: Mapping[str, float]) -> None:
    """Notebook 00: a predicted order of methods beside the order of the run.

    Args:
        prediction: methods, best first; `...` while it is open.
        top1: method -> top-1 (%) after the last epoch of the run.
    """
    order = sorted(top1, key=lambda method: -top1[method])
    run = " > ".join(f"{LABELS[method]} {top1[method]:.1f} %" for method in order)
    print(f"{_compare(prediction, order)}\n  this run: {run}")
    for better, worse in zip(order, order[1:], strict=False):
        gap = top1[better] - top1[worse]
        if gap < CLOSE:
            print(
                f"  {LABELS[better]} and {LABELS[worse]} are {gap:.1f} points apart: "
                "another seed may turn them round"
            )


def _compare(prediction: Sequence[str], order: Sequence[str]) -> str:
    if prediction is ...:
        return NOT_ATTEMPTED
    if not isinstance(prediction, list | tuple) or sorted(map(str, prediction)) != sorted(order):
        return f"no order of {', '.join(sorted(order))}: {prediction!r}"
    if list(prediction) == list(order):
        return "as you predicted"
    right = sum(given == found for given, found in zip(prediction, order, strict=True))
    return f"not as you predicted: {right} of {len(order)} places right"
