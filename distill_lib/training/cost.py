"""What a network costs: parameters and multiply-adds ("Flops" in the papers' tables)."""

import copy

import torch
from torch import nn


def count_parameters(model: nn.Module) -> int:
    """Trainable and frozen parameters, buffers not counted."""
    return sum(p.numel() for p in model.parameters())


@torch.no_grad()
def count_multiply_adds(model: nn.Module, image_size: int) -> int:
    """Multiply-adds of one image; torch counts two operations for each."""
    # Imported here: it takes most of a second, which `import distill_lib` should not.
    from torch.utils.flop_counter import FlopCounterMode

    model = copy.deepcopy(model).float().cpu().eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, image_size, image_size))
    return counter.get_total_flops() // 2
