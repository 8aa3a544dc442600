"""Hooks that read the taps of a network, forward after forward."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from distill_lib.errors import FeatureError, unknown_name
from distill_lib.taps.tap import Tap


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
        modules = [module_at(model, reader.tap.relu) for reader in self._readers]
        for reader, module in zip(self._readers, modules, strict=True):
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
