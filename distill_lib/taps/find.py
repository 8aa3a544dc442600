"""Where a network is tapped if nobody says it: at the ReLUs through which every path runs."""

from graphlib import TopologicalSorter
from typing import Literal

from torch import Tensor, nn

from distill_lib.errors import FeatureError
from distill_lib.taps.inspect import dry_run_mode, example_images, inspect_taps
from distill_lib.taps.reader import unwrap
from distill_lib.taps.tap import Tap

ACTIVATIONS = (nn.ReLU, nn.ReLU6)
"""What find_taps takes for a ReLU."""
COARSEST = 4
"""How many resolutions find_taps keeps: the papers' four stages (a torchvision stem drops out)."""


def find_taps(
    model: nn.Module, image_size: int, position: Literal["pre", "post"] = "pre"
) -> list[Tap]:
    """The last ReLU at each resolution through which every path runs, finest first.

    Found by cutting: with the ReLU's input cut off (at its last call, where a block reuses one
    ReLU), no path may lead from the logits back to the image, however small its weight. Only 4-D
    tensors count, and of the resolutions the four coarsest. For a WRN these are
    block2.layer.0.relu1, block3.layer.0.relu1 and relu, for a torchvision ResNet
    layer{1..4}[-1].relu: the papers' positions.

    Args:
        model: an image classifier; left in the mode it was in.
        image_size: height and width of its images, in pixels.
        position: "pre" for OFD, "post" for CD.
    Returns:
        taps with channels, stride and batch norm.
    Raises:
        FeatureError: no ReLU cuts the network, or its output is not one tensor.
    """
    model = unwrap(model)
    last_at = {size: name for name, size in _cutting_relus(model, image_size)}
    if not last_at:
        raise FeatureError(
            f"{type(model).__name__} has no ReLU through which every path runs.\n"
            "  Name the taps yourself: Tap('module.name', 'pre')."
        )
    coarsest = sorted(last_at, reverse=True)[-COARSEST:]
    return inspect_taps(model, [Tap(last_at[size], position) for size in coarsest], image_size)


def _cutting_relus(model: nn.Module, image_size: int) -> list[tuple[str, int]]:
    """The ReLU modules whose last call lies on every path, in order: name and feature size."""
    calls: dict[str, tuple[int, object]] = {}
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, ACTIVATIONS):

            def mark(module, args, name=name):
                calls.pop(name, None)
                if args and args[0].dim() == 4:
                    # A copy has a node of its own, where a split gives several tensors one node.
                    marked = args[0].clone()
                    calls[name] = marked.shape[-1], marked.grad_fn
                    return (marked, *args[1:])

            handles.append(module.register_forward_pre_hook(mark))
    try:
        with dry_run_mode(model):
            # Only paths from the image are looked for; the parameters' ones must not be counted.
            model.requires_grad_(False)
            image = example_images(model, image_size)
            logits = model(image)
            if not isinstance(logits, Tensor):
                raise FeatureError(
                    f"{type(model).__name__} gives a {type(logits).__name__}, not one tensor of "
                    "logits, so no ReLU can be said to lie on every path.\n"
                    "  Name the taps yourself: Tap('module.name', 'pre')."
                )
    finally:
        for handle in handles:
            handle.remove()
    cutting = _nodes_on_every_path(logits.grad_fn, image)
    return [(name, size) for name, (size, node) in calls.items() if node in cutting]


def _nodes_on_every_path(root, image: Tensor) -> set:
    """The nodes of an autograd graph through which every path from the root to the image runs.

    Those are the nodes where (paths from the root) x (paths to the image) is the number of all
    paths, counted in Python's integers, which are exact.
    """
    parents: dict = {}
    to_visit = [root] if root is not None else []
    while to_visit:
        node = to_visit.pop()
        if node not in parents:
            parents[node] = [parent for parent, _ in node.next_functions if parent is not None]
            to_visit.extend(parents[node])
    order = list(TopologicalSorter(parents).static_order())  # parents first, the root last
    to_image, from_root = {}, dict.fromkeys(order, 0) | {root: 1}
    for node in order:
        is_image = getattr(node, "variable", None) is image
        to_image[node] = int(is_image) + sum(to_image[parent] for parent in parents[node])
    for node in reversed(order):
        for parent in parents[node]:
            from_root[parent] += from_root[node]
    total = to_image.get(root, 0)
    return {node for node in order if total and from_root[node] * to_image[node] == total}
