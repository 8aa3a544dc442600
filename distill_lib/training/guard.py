"""Stops a run whose loss is no number, and says where it happened."""

import torch
from torch import Tensor, nn

from distill_lib.distiller import Step
from distill_lib.errors import DivergedError
from distill_lib.training import distributed

EVERY = 50
"""Steps between two looks at the flags on an accelerator, where each look would wait for it."""


class FiniteGuard:
    """Watches the loss and its parts.

    On the CPU before the backward pass of each step; elsewhere the flags stay on the device and
    are read every 50 steps, and before each checkpoint (`check`).
    """

    def __init__(self, device: torch.device):
        self._device = device
        self._seen: list[tuple[int, int, Tensor, list[str], Tensor]] = []

    def watch(self, epoch: int, step: int, indices: Tensor, result: Step) -> None:
        """Note one step; `indices` are its samples, for the message.

        Raises:
            DivergedError: this step, or one before it, was not finite in some process.
        """
        values = result.parts | {"sum": result.loss.detach()}
        finite = torch.stack([value.isfinite() for value in values.values()])
        self._seen.append((epoch, step, indices, list(values), finite))
        if self._device.type == "cpu" or len(self._seen) >= EVERY:
            self.check()

    def before_checkpoint(self, model: nn.Module, epoch: int, step: int) -> None:
        """Read the flags, and look at the weights: a finite loss may have infinite gradients.

        Raises:
            DivergedError: a step since the last look, or a tensor of the model, is not finite.
        """
        self.check()
        state = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
        flags = torch.stack([value.isfinite().all() for value in state.values()]).tolist()
        bad = [name for name, finite in zip(state, flags, strict=True) if not finite]
        if distributed.any_rank(bool(bad), self._device):
            raise DivergedError(
                f"the weights became NaN or infinite in epoch {epoch}, by step {step}: "
                f"{', '.join(bad[:3]) or 'in another process'}.\n"
                "  The last good checkpoint is kept. Lower --optim.lr or the term's weight."
            )

    def check(self) -> None:
        """Read the flags.

        Raises:
            DivergedError: naming the first bad epoch and step, the guilty term and the samples.
        """
        seen, self._seen = self._seen, []
        message = ""
        for epoch, step, indices, names, finite in seen:
            flags = finite.tolist()
            if not all(flags):
                guilty = names[flags.index(False)]
                message = (
                    f"the loss became NaN or infinite at epoch {epoch}, step {step}: "
                    f"term {guilty!r}.\n"
                    f"  Training images {indices[:8].tolist()}{' …' if len(indices) > 8 else ''}.\n"
                    "  The last good checkpoint is kept. Lower --optim.lr or the term's weight."
                )
                break
        if distributed.any_rank(bool(message), self._device):
            raise DivergedError(
                message or "the loss became NaN or infinite in another process; see its message."
            )
