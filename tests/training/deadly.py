"""Every operation on the disk in one stretch of a run, listed; or death at one of them."""

import builtins
import importlib
import json
import os
import signal
from pathlib import Path

from distill_lib import files
from distill_lib.training.run_state import RunState

from .helpers import run_tiny

SETTINGS = {"epochs": 2, "checkpoint_steps": 4}
"""Saves after steps 4, 7, 8, 12 and 14; the third is the first that deletes a checkpoint."""
SAVE = 3
FIT = importlib.import_module("distill_lib.training.fit")


class Operations:
    """Counts open, write, fsync, replace and unlink while `armed`, and may kill the process.

    Args:
        kill_at: before which operation to die; None to list them all in `names`. A write is two
            operations: its halves.
    """

    def __init__(self, kill_at: int | None):
        self.kill_at, self.names, self.armed = kill_at, [], False

    def note(self, name: str) -> None:
        if self.armed:
            if len(self.names) == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.names.append(name)

    def wrap(self, owner, name: str) -> None:
        real = getattr(owner, name)

        def noted(*args, **kwargs):
            self.note(name)
            return real(*args, **kwargs)

        setattr(owner, name, noted)

    def open(self, path, mode):
        self.note("open")
        return Handle(builtins.open(path, mode), self)


class Handle:
    """A file whose writes are noted."""

    def __init__(self, file, operations: Operations):
        self._file, self._operations = file, operations

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._file.close()

    def write(self, data) -> int:
        data = memoryview(data).cast("B")
        half = len(data) // 2
        for part in (data[:half], data[half:]):
            self._operations.note("write")
            self._file.write(part)
            self._file.flush()
        return len(data)


def run_and_die(out, stretch: str, kill_at: int | None, names_file=None) -> None:
    """Train; in the stretch ("save" or "finish") die before an operation, or list them all."""
    operations = Operations(kill_at)
    for owner, name in ((os, "fsync"), (os, "replace"), (Path, "unlink")):
        operations.wrap(owner, name)
    files.open = operations.open
    owner, name = {"save": (RunState, "save"), "finish": (FIT, "_finish")}[stretch]
    real = getattr(owner, name)
    calls = 0

    def watched(*args, **options):
        nonlocal calls
        calls += 1
        operations.armed = calls == (SAVE if stretch == "save" else 1)
        real(*args, **options)
        operations.armed = False

    setattr(owner, name, watched)
    run_tiny(out, **SETTINGS)
    if names_file is not None:
        names_file.write_text(json.dumps(operations.names))
