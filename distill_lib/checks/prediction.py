"""Exercise of notebook 00."""

from collections.abc import Mapping, Sequence

from distill_lib.checks.verdict import NOT_ATTEMPTED
from distill_lib.plots import LABELS

CLOSE = 5.0
"""Points of top-1 within which another seed may well turn an order round: so far the seeds of one
method lie apart at the smoke budget."""


def check_prediction(prediction: Sequence[str], top1: Mapping[str, float]) -> None:
    """A predicted order of methods beside the order of the run.

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
