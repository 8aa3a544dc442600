"""The verdicts that every check gives in the same words, and the comparison behind them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

NOT_ATTEMPTED = "not attempted yet"
CORRECT = "correct"


def first_mistake(
    function: Callable[..., Tensor],
    cases: Sequence[tuple[str, tuple[Tensor, ...], Tensor]],
    *,
    relative: float,
    absolute: float,
) -> str:
    """The verdict on a reader's function: CORRECT, NOT_ATTEMPTED or the first wrong case.

    Args:
        function: the reader's; `...` as its result means that it is still open.
        cases: name, arguments (each is copied before the call), wanted tensor.
        relative, absolute: tolerances of `torch.isclose`.
    """
    for name, arguments, want in cases:
        try:
            got = function(*(argument.clone() for argument in arguments))
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
            worst = tuple((~near).nonzero()[0].tolist())
            place = f", channel {worst[0]}" if want.numel() > 1 else ""
            return f"wrong at {name}{place}: got {got[worst]:.4f}, want {want[worst]:.4f}"
    return CORRECT
