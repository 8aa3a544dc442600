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
    for name, follow in _FOLLOWED_BY.items():
        network = _network(follow)
        normed = network[:2](images)
        cases = [(name, (images,), normed.detach().amin((0, 2, 3)))]
        verdict = first_mistake(partial(lowest, network, "1"), cases, relative=1e-5, absolute=1e-6)
        if verdict == CORRECT and any(module._forward_hooks for module in network.modules()):
            verdict = f"wrong at {name}: your hook is still on the network; remove() it"
        if verdict != CORRECT:
            print(verdict)
            return
    print(CORRECT)


class _AddInPlace(nn.Module):
    """What a residual block does: the shortcut is added to the batch norm's own tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return x.add_(1.0)


_FOLLOWED_BY: dict[str, Callable[[], list[nn.Module]]] = {
    "a ReLU of its own": lambda: [nn.ReLU()],
    "an in-place ReLU": lambda: [nn.ReLU(inplace=True)],
    "a shortcut added in place": lambda: [_AddInPlace(), nn.ReLU(inplace=True)],
}


def _network(follow: Callable[[], list[nn.Module]]) -> nn.Sequential:
    """Convolution, batch norm, what follows, pooling; the same weights at every call."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), *follow(), nn.AdaptiveAvgPool2d(1)]
        return nn.Sequential(*layers).eval()
