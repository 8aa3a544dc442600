"""A run's directory, read and written: what a fit leaves on disk.

run.json            recipe, identity, environment, status, last and best epoch
metrics.jsonl       one line for each epoch that was tested
ckpt/               checkpoints, while it runs and after
last.safetensors    the student's weights after the last epoch; best.safetensors after the best
"""

import json
import platform
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from distill_lib import paths
from distill_lib.distiller import Distiller
from distill_lib.errors import CheckpointError, DistillError
from distill_lib.files import as_json, sha256_of, write_atomically, write_json
from distill_lib.tasks import TASKS, Task

SAVED = ("status", "reason", "recipe", "summary", "weights", "environment", "identity")
"""What run.json holds of a `RunRecord`, in its order."""


@dataclass
class RunRecord:
    """A run, as it stands on disk.

    Args:
        path: its directory.
        recipe: the recipe as plain data, `recipes.as_dict`.
        identity: what a resumption must agree with, flat.
        environment: versions, device, commit.
        status: running, interrupted, failed or finished.
        epochs: one dictionary for each epoch tested: epoch, the task's metrics, loss, lr, seconds.
        summary: what is known at the end: parameters, multiply-adds, seconds, teacher's metrics.
        weights: weight file name -> SHA-256.
        distiller: the networks, while `fit` that trained them is at hand; never on disk.
    """

    path: Path
    recipe: dict
    identity: dict
    environment: dict
    status: str = "running"
    reason: str = ""
    epochs: list[dict] = field(default_factory=list)
    summary: dict = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    distiller: Distiller | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe["name"]

    @property
    def task(self) -> Task:
        """What the network was trained for, and the metrics of its epochs."""
        return TASKS[self.summary.get("task", "classification")]

    @property
    def last(self) -> dict:
        """The last epoch's metrics: what the papers compare on CIFAR."""
        return self.epochs[-1]

    @property
    def best(self) -> dict:
        """The best epoch's metrics: chosen on the test images, so a little optimistic."""
        return max(self.epochs, key=lambda epoch: epoch[self.task.metric])

    def seconds_to(self, value: float) -> float | None:
        """Training and evaluation time until the task's first metric reached a value, if it did."""
        seconds = 0.0
        for epoch in self.epochs:
            seconds += epoch["seconds"] + epoch["evaluation_seconds"]
            if epoch[self.task.metric] >= value:
                return seconds
        return None

    def save(self) -> None:
        """Write run.json and metrics.jsonl, each whole or not at all."""
        lines = "".join(as_json(epoch) + "\n" for epoch in self.epochs)
        write_atomically(self.path / "metrics.jsonl", lambda handle: handle.write(lines.encode()))
        data = {name: getattr(self, name) for name in SAVED}
        if self.epochs and self.status == "finished":
            data["last"], data["best"] = self.last, self.best
        write_json(self.path / "run.json", data)

    def save_weights(self, name: str, state: dict[str, Tensor]) -> None:
        """Write `<name>.safetensors` and remember its digest."""
        from safetensors.torch import save

        # Cloned: a module under two names has one storage, which safetensors refuses.
        plain = {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
        path = self.path / f"{name}.safetensors"
        write_atomically(path, lambda handle: handle.write(save(plain)))
        self.weights[path.name] = sha256_of(path)

    def load_weights(self, name: str = "last") -> dict[str, Tensor]:
        """The student's weights in float32, their digest checked.

        Raises:
            CheckpointError: the file is missing or is not the one that was written.
        """
        from safetensors.torch import load_file

        file = f"{name}.safetensors"
        path = self.path / file
        if file not in self.weights or not path.is_file():
            there = [name for name in self.weights if (self.path / name).is_file()]
            raise CheckpointError(
                f"run {self.path} has no {file}; it has: {', '.join(there) or 'no weights'}."
            )
        actual = sha256_of(path)
        if actual != self.weights[file]:
            raise CheckpointError(
                f"{path} is damaged or was replaced: SHA-256 is {actual[:12]}…, "
                f"run.json says {self.weights[file][:12]}….\n"
                "  Take it from where it came from again, or train it anew with --fresh."
            )
        state = load_file(path)
        return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


def load_record(path: Path) -> RunRecord:
    """The record of a run directory.

    Raises:
        DistillError: there is none, or it cannot be read.
    """
    path = Path(path)
    file = path / "run.json"
    if not file.is_file():
        raise DistillError(f"{path} is no run: there is no run.json in it.")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        lines = (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        record = RunRecord(
            path=path,
            epochs=[json.loads(line) for line in lines],
            **{name: data[name] for name in SAVED},
        )
        _look_over(record)
        return record
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DistillError(
            f"{path} holds a damaged record: {type(error).__name__} {error}.\n"
            "  Train it anew with --fresh."
        ) from error


def _look_over(record: RunRecord) -> None:
    """Ask for what every report needs, so that what is missing is missed now."""
    for name in ("name", "budget", "seed", "terms", "teacher"):
        record.recipe[name]
    if record.status == "finished":
        for name in ("parameters", "multiply_adds", "train_images"):
            record.summary[name]
        record.last, record.best  # noqa: B018 - raises where no epoch has the metric


def find_records(*roots: Path) -> list[RunRecord]:
    """Every run below these folders, `runs` and `results` if none is given, sorted by path."""
    roots = roots or (paths.results_dir(), paths.runs_dir())
    files = [file for root in roots for file in sorted(Path(root).rglob("run.json"))]
    return [load_record(file.parent) for file in files]


def finished_run(recipe: str) -> RunRecord | None:
    """A finished run of this recipe that has weights, of the largest budget that was run.

    Of this machine first, then a shipped one. One whose recipe was changed on the command line has
    a folder of its own name and does not count: name it by that folder.
    """
    roots = (paths.runs_dir(), paths.results_dir())
    for folder in (
        root / recipe / budget for budget in ("paper", "laptop", "smoke") for root in roots
    ):
        for file in sorted(folder.glob("*/run.json")):
            record = load_record(file.parent)
            if record.status == "finished" and "last.safetensors" in record.weights:
                return record
    return None


@cache
def environment() -> dict:
    """Versions, machine and commit, for the record."""
    import torchvision

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", "distill_lib")),
    }


def _git(*arguments: str) -> str:
    """What git says of the checkout, nothing where there is no git or no checkout."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=paths.ROOT, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
