"""Checkpoints that are whole, verified and of this very recipe, or are not used.

`ckpt/step-00001234.pt` holds the state and `.json` beside it is its commit record: size, SHA-256,
fingerprint; it is written last, so a payload without one does not exist. torch.load alone does not
notice a flipped bit. Payloads hold tensors and plain values only (weights_only=True).
"""

import io
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from distill_lib.errors import CheckpointError, DistillError, RecipeMismatchError
from distill_lib.files import remove_temporaries, sha256_of, write_atomically, write_json
from distill_lib.recipes import differing

FORMAT = 1
KEEP = 2
"""How many checkpoints are kept beside the best."""
RETRIES = 3
"""How often a failed write is tried again."""


@dataclass(frozen=True)
class Commit:
    """A checkpoint's commit record and where its payload is."""

    payload: Path
    step: int
    sha256: str
    identity: dict

    @property
    def record(self) -> Path:
        """The commit record's own file."""
        return self.payload.with_suffix(".json")


def save(folder: Path, state: dict, identity: dict, best_step: int) -> Commit:
    """Write one checkpoint and its commit record, then delete what is no longer kept.

    Args:
        folder: the run's `ckpt`.
        state: tensors and plain values; `step` among them.
        identity: what a resumption must agree with, flat.
        best_step: the step whose checkpoint is the best so far; it stays.
    Raises:
        CheckpointError: the write failed three times; older checkpoints are intact.
    """
    payload = _payload(folder, state["step"])
    # Through memory: on a full disk torch.save's own error would hide the system's.
    content = io.BytesIO()
    torch.save({"format": FORMAT} | state, content)
    for attempt in range(RETRIES):
        try:
            write_atomically(payload, lambda handle: handle.write(content.getbuffer()))
            commit = Commit(payload, state["step"], sha256_of(payload), identity)
            write_json(
                commit.record,
                {
                    "format": FORMAT,
                    "payload": payload.name,
                    "bytes": payload.stat().st_size,
                    "sha256": commit.sha256,
                    "step": commit.step,
                    "identity": identity,
                    "torch": torch.__version__,
                    "threads": torch.get_num_threads(),
                    "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                },
            )
            break
        except DistillError as error:
            if attempt == RETRIES - 1:
                raise CheckpointError(str(error)) from error
            time.sleep(0.1 * 2**attempt)
    _rotate(folder, commit, best_step)
    return commit


def _payload(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.pt"


def _rotate(folder: Path, newest: Commit, best_step: int) -> None:
    found = map(_commit, sorted(folder.glob("step-*.json")))
    commits = [c for c in found if c is not None and c.step <= newest.step]
    for commit in commits[:-KEEP]:
        if commit.step != best_step:
            commit.record.unlink(missing_ok=True)
            commit.payload.unlink(missing_ok=True)


def _commit(record: Path) -> Commit | None:
    """The checkpoint of a commit record, None where that cannot be read."""
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
        step, identity = int(said["step"]), dict(said["identity"])
        return Commit(record.with_suffix(".pt"), step, said["sha256"], identity)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def at_step(folder: Path, step: int) -> Commit | None:
    """The checkpoint of this step, None where none was written.

    Raises:
        CheckpointError: it is damaged.
    """
    commit = _commit(_payload(folder, step).with_suffix(".json"))
    if commit is not None and (reason := _why_not(commit)):
        raise CheckpointError(f"{commit.payload}: {reason}.")
    return commit


def clean(folder: Path) -> None:
    """Remove temporary files and payloads without a commit record that a killed run left."""
    remove_temporaries(folder)
    for payload in folder.glob("step-*.pt"):
        if not payload.with_suffix(".json").exists():
            payload.unlink(missing_ok=True)


def newest(folder: Path) -> tuple[Commit | None, list[str]]:
    """The checkpoint of the highest step that verifies, and why later ones were skipped.

    Raises:
        CheckpointError: there are checkpoints, and none verifies.
    """
    skipped = []
    for record in sorted(folder.glob("step-*.json"), reverse=True):
        commit = _commit(record)
        if commit is None:
            skipped.append(f"{record.name}: the commit record cannot be read")
        elif reason := _why_not(commit):
            skipped.append(f"{commit.payload.name}: {reason}")
        else:
            return commit, skipped
    if skipped:
        raise CheckpointError(
            f"no checkpoint in {folder} can be trusted:\n  "
            + "\n  ".join(skipped)
            + "\n  Start over with --fresh."
        )
    return None, []


def _why_not(commit: Commit) -> str | None:
    if not commit.payload.is_file():
        return "the payload is missing"
    actual = sha256_of(commit.payload)
    if actual != commit.sha256:
        return f"SHA-256 differs (recorded {commit.sha256[:12]}…, file {actual[:12]}…)"
    return None


def load(commit: Commit, identity: dict) -> dict:
    """The state of a verified checkpoint of this recipe, on the CPU.

    Raises:
        RecipeMismatchError: it belongs to another recipe; the fields that differ are listed.
        CheckpointError: the file is no checkpoint of this project.
    """
    check_identity(f"{commit.payload} belongs to another recipe", commit.identity, identity)
    state = read(commit.payload)
    if state.get("format") != FORMAT:
        raise CheckpointError(
            f"{commit.payload} has format {state.get('format')!r}; expected {FORMAT}."
        )
    return state


def check_identity(what: str, saved: dict, yours: dict) -> None:
    """Refuse what was made by another recipe.

    Raises:
        RecipeMismatchError: the first line is `what`; each field that differs follows.
    """
    lines = [f"  {key}: {b} (saved) != {a} (yours)" for key, a, b in differing(yours, saved)]
    if lines:
        raise RecipeMismatchError(
            "\n".join([f"{what}.", *lines])
            + "\n  Choose another folder (--out DIR), or start over with --fresh."
        )


def read(path: Path) -> dict:
    """Tensors and plain values from a file of torch.save; nothing in it is executed.

    Raises:
        CheckpointError: it is not such a file, or holds something else.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is not a file; expected a checkpoint.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load refuses a file in many ways
        raise CheckpointError(
            f"{path} ({os.path.getsize(path):,} bytes) is no checkpoint that can be trusted: "
            "expected tensors and plain values written by torch.save.\n"
            "  It is cut, damaged, or holds objects that would have to be executed."
        ) from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds a {type(state).__name__}; expected a dictionary.")
    return state
