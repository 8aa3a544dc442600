"""Where features are read: a tap names a module and the side of it that is read.

OFD reads before the ReLU ("pre", section 3.2), CD and AT after it ("post"). Hooks do the reading,
so any nn.Module works, and a tapped batch norm runs once per step (the authors' code runs it
twice, which moves its statistics at momentum 0.19 for 0.1).
Explained in notebooks/04_where_to_tap.ipynb.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import Literal

import torch
from torch import Tensor, nn

from distill_lib.errors import DistillError, FeatureError, unknown_name
from distill_lib.modes import evaluation_mode

ACTIVATIONS = (nn.ReLU, nn.ReLU6)
"""What find_taps takes for a ReLU."""
COARSEST = 4
"""How many resolutions find_taps keeps: the papers' four stages (a torchvision stem drops out)."""
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


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


class _Reader:
    """Keeps what one tap saw last. Its hooks are bound methods: closures break under deepcopy."""

    def __init__(self, tap: Tap):
        self.tap = tap
        self.listening = True
        self.tensor: Tensor | None = None
        self.version = 0

    def pre(self, module: nn.Module, args: tuple) -> None:
        self._keep(args)

    def post(self, module: nn.Module, args: tuple, output: Tensor) -> None:
        self._keep((output,))

    def _keep(self, given: tuple) -> None:
        if not self.listening:
            return
        if not given:
            raise FeatureError(
                f"tap {self.tap}: the module is called with keywords alone, and only positional "
                "inputs are read.\n  Call it as module(x), or tap another side."
            )
        tensor = given[0]
        if not isinstance(tensor, Tensor):
            raise FeatureError(
                f"tap {self.tap} reads a {type(tensor).__name__}; expected a tensor (N, C, ...).\n"
                "  Tap a module that gives a tensor."
            )
        self.tensor, self.version = tensor, _version(tensor)

    def take(self) -> Tensor:
        tensor, self.tensor = self.tensor, None
        if tensor is None:
            raise FeatureError(
                f"tap {self.tap} was not reached in forward.\n"
                "  Choose a module that the network calls; find_taps(model) lists some."
            )
        if _version(tensor) != self.version:
            raise FeatureError(
                f"tap {self.tap}: the tensor was changed in place after it was read.\n"
                "  Tap the other side of the operation that does so, or make it out-of-place."
            )
        return tensor


def _version(tensor: Tensor) -> int:
    """How often the tensor was changed in place; inference tensors do not count.

    Nor does torch.compile, whose graph would break here; `inspect_taps` has looked before it.
    """
    return 0 if torch.compiler.is_compiling() or tensor.is_inference() else tensor._version


class TapReader:
    """Reads the taps of one network, forward after forward.

    Activations of a tapped network are made out-of-place, or a tap would read a changed tensor.

    Args:
        model: the network; a compiled one must be unwrapped first (`unwrap`), since a hook
            attached after its first call is silently never called.
        taps: what to read.
        when_asked: keep features between `start` and `take` alone, so that a forward of somebody
            else's leaves neither them nor its graph here.
    Raises:
        DistillError: a tap names no module (the nearest names are given).
    """

    def __init__(self, model: nn.Module, taps: Sequence[Tap], *, when_asked: bool = False):
        for module in model.modules():
            if getattr(module, "inplace", False):
                module.inplace = False
        self._readers = [_Reader(tap) for tap in dict.fromkeys(taps)]
        self._when_asked = when_asked
        self._listen(not when_asked)
        self._handles = []
        for reader in self._readers:
            module = module_at(model, reader.tap.relu)
            if reader.tap.position == "pre":
                self._handles.append(module.register_forward_pre_hook(reader.pre))
            else:
                self._handles.append(module.register_forward_hook(reader.post))

    def start(self) -> None:
        """Listen, and forget what the last forward left: a tap passed over cannot pass unseen."""
        self._listen(True)
        for reader in self._readers:
            reader.tensor = None

    def _listen(self, listening: bool) -> None:
        for reader in self._readers:
            reader.listening = listening

    def take(self) -> dict[Tap, Tensor]:
        """The tensors of the last forward, (N, C, H, W) each, and forget them.

        Raises:
            FeatureError: a tap was not reached, or its tensor was changed in place.
        """
        self._listen(not self._when_asked)
        return {reader.tap: reader.take() for reader in self._readers}

    def remove(self) -> None:
        """Detach the hooks."""
        for handle in self._handles:
            handle.remove()


@contextmanager
def reading(model: nn.Module, taps: Sequence[Tap]) -> Iterator[TapReader]:
    """A TapReader for a few forwards, for notebooks: `with reading(net, taps) as r: net(x)`."""
    reader = TapReader(model, taps)
    try:
        yield reader
    finally:
        reader.remove()


def unwrap(model: nn.Module) -> nn.Module:
    """The network inside torch.compile's or DDP's wrapper, or the network itself."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.parallel.DistributedDataParallel):
            inner = model.module
        if inner is None:
            return model
        model = inner


def module_at(model: nn.Module, name: str) -> nn.Module:
    """The module of this name.

    Raises:
        DistillError: there is none; the nearest names are given.
    """
    modules = dict(model.named_modules())
    modules.pop("")
    if name not in modules:
        raise unknown_name(f"module of {type(model).__name__}", name, modules)
    return modules[name]


@contextmanager
def _dry_run_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode with gradients, both put back afterwards: no statistics may move."""
    required = [(p, p.requires_grad) for p in model.parameters()]
    try:
        with evaluation_mode(model), torch.enable_grad():
            yield
    finally:
        for parameter, requires in required:
            parameter.requires_grad_(requires)


def _example(model: nn.Module, image_size: int) -> Tensor:
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
        with _dry_run_mode(model), reading(model, taps) as reader:
            image = _example(model, image_size)
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
                if args[0].dim() == 4:
                    # A copy has a node of its own, where a split gives several tensors one node.
                    marked = args[0].clone()
                    calls[name] = marked.shape[-1], marked.grad_fn
                    return (marked, *args[1:])

            handles.append(module.register_forward_pre_hook(mark))
    try:
        with _dry_run_mode(model):
            # Only paths from the image are looked for; the parameters' ones must not be counted.
            model.requires_grad_(False)
            image = _example(model, image_size)
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
