"""The verdicts that every check gives in the same words, and the comparison behind them."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from distill_lib.errors import DistillError

NOT_ATTEMPTED = "not attempted yet"
CORRECT = "correct"
Case = TypeVar("Case")


def verdict_on(function: Callable[[], object], judge: Callable[[object], str]) -> str:
    """What `judge` says of what the reader's function gives; what either of them raises is told."""
    try:
        return judge(function())
    except DistillError as error:
        return f"wrong: {error}"
    except Exception as error:  # the reader's code may raise anything; it is shown, not hidden
        return f"wrong: your function raised {type(error).__name__}: {error}"


def first_wrong(
    cases: Iterable[tuple[str, Case]],
    answer: Callable[[Case], object],
    mistake: Callable[[Case, object], str | None],
) -> str:
    """The verdict on a reader's function: CORRECT, NOT_ATTEMPTED or the first wrong case.

    Args:
        cases: name, and what the function is asked with.
        answer: of a case: calls the reader's function, with copies of what it might change; `...`
            as its result means that it is still open.
        mistake: of a case and the answer: what stands after "wrong at <name>", None if it is right.
    """
    for name, case in cases:
        try:
            got = answer(case)
        except Exception as error:  # the reader's code may raise anything; it is shown, not hidden
            return f"wrong at {name}: your function raised {type(error).__name__}: {error}"
        if got is ...:
            return NOT_ATTEMPTED
        if said := mistake(case, got):
            return f"wrong at {name}{said}"
    return CORRECT


def unlike(got: object, want: Tensor) -> str | None:
    """What stands after "wrong at <name>" where an answer is no tensor of the wanted shape."""
    if not isinstance(got, Tensor):
        return f": got a {type(got).__name__}, want a tensor"
    if got.shape != want.shape:
        return f": got shape {tuple(got.shape)}, want {tuple(want.shape)}"
    return None


def first_mistake(
    function: Callable[..., Tensor],
    cases: Sequence[tuple[str, tuple[Tensor, ...], Tensor]],
    *,
    relative: float,
    absolute: float,
) -> str:
    """The same for functions of tensors: the answer is compared with the wanted tensor.

    Args:
        function: the reader's.
        cases: name, arguments (each is copied before the call), wanted tensor.
        relative, absolute: tolerances of `torch.isclose`.
    """

    def mistake(case: tuple[tuple[Tensor, ...], Tensor], got: object) -> str | None:
        _, want = case
        if said := unlike(got, want):
            return said
        near = torch.isclose(got.to(want.dtype), want, rtol=relative, atol=absolute)
        if near.all():
            return None
        worst = tuple((~near).nonzero()[0].tolist())
        place = f", channel {worst[0]}" if want.numel() > 1 else ""
        return f"{place}: got {got[worst]:.4f}, want {want[worst]:.4f}"

    return first_wrong(
        ((name, (arguments, want)) for name, arguments, want in cases),
        lambda case: function(*(argument.clone() for argument in case[0])),
        mistake,
    )
