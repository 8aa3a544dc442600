"""A look at a network in evaluation mode that leaves no trace."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(*models: nn.Module | None) -> Iterator[None]:
    """Networks in evaluation mode for a while; then each submodule has the mode that it had.

    `model.train(mode)` would put all of them into one mode, and a batch norm that somebody froze
    by hand would move its statistics again.

    Args:
        models: None stands for no network.
    """
    networks = [model for model in models if model is not None]
    modes = {module: module.training for model in networks for module in model.modules()}
    for model in networks:
        model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
