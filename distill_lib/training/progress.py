"""What is seen of a run while it trains: a bar for each epoch, and a line when it was tested."""

import sys
import time
from collections.abc import Mapping

from torch import Tensor
from tqdm import tqdm

from distill_lib.tasks import Task

SECONDS_ON_SCREEN, SECONDS_IN_A_LOG = 0.1, 30.0
"""Between two drawings of the bar: a file keeps every one of them."""


class Progress:
    """One epoch's bar: loss parts and images/s.

    Args:
        total: steps of the epoch, `done` of them already behind.
        label: what stands before the bar.
        shown: False for no bar at all.
    """

    def __init__(self, total: int, label: str, *, done: int = 0, shown: bool = True):
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=label,
            disable=not shown,
            leave=False,
            unit="step",
            mininterval=SECONDS_ON_SCREEN if _is_watched() else SECONDS_IN_A_LOG,
        )
        self._start, self._images, self._last = time.perf_counter(), 0, 0.0

    def step(self, images: int, parts: Mapping[str, Tensor]) -> None:
        """One step with so many images is done; the parts are read a few times a second."""
        self._images += images
        now = time.perf_counter()
        if not self._bar.disable and now - self._last > 0.5:
            self._last = now
            shown = {name: f"{value.item():.3f}" for name, value in parts.items()}
            shown["img/s"] = f"{self._images / (now - self._start):,.0f}"
            self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


def _is_watched() -> bool:
    """Whether a person sees the bar move: a terminal, or a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def epoch_line(epoch: Mapping, label: str, task: Task) -> str:
    """`my-recipe 3/8: top-1 71.20 %, top-5 97.10 %; ce 0.812, ofd 1.230; 213 s`.

    Args:
        epoch: as a run's record keeps it.
        label: what stands before its bar.
        task: whose metrics it has.
    """
    metrics = ", ".join(f"{label} {epoch[key]:.2f} %" for key, label in task.metrics.items())
    parts = ", ".join(f"{name} {v:.3f}" for name, v in epoch["train"].items() if name != "sum")
    seconds = epoch["seconds"] + epoch["evaluation_seconds"]
    return f"{label}: {metrics}; {parts}; {seconds:,.0f} s"
