"""The progress bar: loss parts and images/s; silent in the smoke budget and beside rank 0."""

import time
from collections.abc import Mapping

from torch import Tensor
from tqdm import tqdm


class Progress:
    """One epoch's bar.

    Args:
        total: steps of the epoch, `done` of them already behind.
        label: what stands before the bar.
        shown: False for no bar at all.
    """

    def __init__(self, total: int, label: str, *, done: int = 0, shown: bool = True):
        self._bar = tqdm(
            total=total, initial=done, desc=label, disable=not shown, leave=False, unit="step"
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
