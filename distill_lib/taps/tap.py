"""One place in a network, by name."""

from dataclasses import dataclass, field
from typing import Literal

from distill_lib.errors import DistillError


@dataclass(frozen=True)
class Tap:
    """One place in a network.

    Args:
        relu: name of the ReLU module as `model.named_modules()` has it; any other module can be
            read too. Of several calls within one forward the last counts.
        position: "pre" reads the module's input, "post" its output.
        channels, size, stride, batch_norm: what `inspect_taps` found: C, (H, W), image size /
            feature size, rounded, and the name of the batch norm whose output is read, alone or
            summed with a shortcut (None where there is none).
    """

    relu: str
    position: Literal["pre", "post"] = "pre"
    channels: int | None = field(default=None, compare=False)
    size: tuple[int, ...] | None = field(default=None, compare=False)
    stride: int | None = field(default=None, compare=False)
    batch_norm: str | None = field(default=None, compare=False)

    def __post_init__(self):
        if self.position not in ("pre", "post"):
            raise DistillError(
                f"tap {self.relu!r}: position is {self.position!r}; expected 'pre' or 'post'."
            )

    def __str__(self) -> str:
        return f"{self.position} {self.relu}"
