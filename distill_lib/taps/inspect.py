"""What is read at a tap: its shape, its stride, the batch norm behind it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from distill_lib.errors import FeatureError
from distill_lib.modes import evaluation_mode
from distill_lib.taps.reader import reading
from distill_lib.taps.tap import Tap

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@contextmanager
def dry_run_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode with gradients, both put back afterwards: no statistics may move."""
    required = [(p, p.requires_grad) for p in model.parameters()]
    try:
        with evaluation_mode(model), torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for parameter, requires in required:
            parameter.requires_grad_(requires)


def example_images(model: nn.Module, image_size: int) -> Tensor:
    like = next(model.parameters())
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, 3, image_size, image_size, generator=generator)
    return image.to(like.device, like.dtype).requires_grad_()


def inspect_taps(model: nn.Module, taps: Sequence[Tap], image_size: int) -> list[Tap]:
    """The same taps, with channels, stride and the batch norm that feeds them filled in.

    One dry forward of two random images in evaluation mode; nothing of the network changes but
    in-place activations, which become out-of-place.

    Raises:
        DistillError: a tap names no module.
        FeatureError: a tap is not reached, or its tensor has no channels.
    """
    norms = {
        name: module for name, module in model.named_modules() if isinstance(module, BATCH_NORMS)
    }
    made_by: dict = {}
    handles = []
    for name, norm in norms.items():

        def remember(module, args, output, name=name):
            made_by[output.grad_fn] = name

        handles.append(norm.register_forward_hook(remember))
    try:
        with dry_run_mode(model), reading(model, taps) as reader:
            image = example_images(model, image_size)
            model(image)
            features = reader.take()
    finally:
        for handle in handles:
            handle.remove()
    found = []
    for tap in taps:
        tensor = features[tap]
        if tensor.dim() < 2:
            raise FeatureError(f"tap {tap} reads {tuple(tensor.shape)}; expected (N, C, ...).")
        channels, *size = tensor.shape[1:]
        found.append(
            replace(
                tap,
                channels=channels,
                size=tuple(size),
                stride=round(image_size / size[-1]) if len(size) == 2 else None,
                batch_norm=_norm_behind(tensor.grad_fn, made_by),
            )
        )
    return found


def _norm_behind(node, made_by: dict) -> str | None:
    """The batch norm whose output, or whose sum with a shortcut, has this grad_fn.

    A residual sum is followed into its first addend first: `out += identity` puts the main branch
    there, whose last batch norm the OFD authors take the margin from.
    """
    if node in made_by:
        return made_by[node]
    if node is None or not node.name().startswith("AddBackward"):
        return None
    for parent, _ in node.next_functions:
        name = _norm_behind(parent, made_by)
        if name is not None:
            return name
    return None
