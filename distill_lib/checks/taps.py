"""Exercise of notebook 04."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from distill_lib.checks.verdict import CORRECT, first_mistake


def check_lowest(lowest: Callable[[nn.Module, str, Tensor], Tensor]) -> None:
    """Each channel's lowest value as a batch norm puts it out, whatever is done to it in place.

    Args:
        lowest: the reader's function of a network, the name of one of its batch norms, and
            images (N, 3, H, W), giving (C,).
    """
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for name, (norm, follow) in _CASES.items():
        network, untouched = _network(norm, follow), _network(norm, follow)
        normed = untouched[: -1 - len(follow())](images)
        cases = [(name, (images,), normed.detach().amin((0, 2, 3)))]
        verdict = first_mistake(partial(lowest, network, norm), cases, relative=1e-5, absolute=1e-6)
        if verdict == CORRECT and any(module._forward_hooks for module in network.modules()):
            verdict = f"wrong at {name}: your hook is still on the network; remove() it"
        if verdict == CORRECT and _state(network) != _state(untouched):
            verdict = f"wrong at {name}: your function has changed the network; leave it as it was"
        if verdict != CORRECT:
            print(verdict)
            return
    print(CORRECT)


class _AddInPlace(nn.Module):
    """What a residual block does: the shortcut is added to the batch norm's own tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return x.add_(1.0)


_CASES: dict[str, tuple[str, Callable[[], list[nn.Module]]]] = {
    "a ReLU of its own": ("1", lambda: [nn.ReLU()]),
    "an in-place ReLU": ("1", lambda: [nn.ReLU(inplace=True)]),
    "a shortcut added in place": ("1", lambda: [_AddInPlace(), nn.ReLU(inplace=True)]),
    "a batch norm inside a block": ("0.1", lambda: [nn.ReLU(inplace=True)]),
}
"""What it is -> the name of the batch norm, and what follows it."""


def _network(norm: str, follow: Callable[[], list[nn.Module]]) -> nn.Sequential:
    """Convolution, batch norm of that name, what follows, pooling; always the same weights."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        first = [nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)]
        first = [nn.Sequential(*first)] if norm == "0.1" else first
        return nn.Sequential(*first, *follow(), nn.AdaptiveAvgPool2d(1)).eval()


def _state(network: nn.Module) -> list[object]:
    """What a reading must leave alone: modes, whether a module works in place, and all numbers."""
    modules = [(m.training, getattr(m, "inplace", None)) for m in network.modules()]
    return [*modules, *(value.tolist() for value in network.state_dict().values())]
