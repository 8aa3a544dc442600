"""A run's folder: where it is, who writes in it, whether it is finished already."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from distill_lib import paths
from distill_lib.errors import DistillError
from distill_lib.files import write_error
from distill_lib.recipes import RECIPES, Recipe, as_dict, get_recipe, identity_fields
from distill_lib.records import RunRecord, load_record
from distill_lib.training import checkpoints


def identity_of(recipe: Recipe, **found: object) -> dict[str, object]:
    """What changes the mathematics, flat: the recipe's fields, and what was found beside it."""
    return identity_fields(as_dict(recipe)) | found


def default_folder(recipe: Recipe) -> Path:
    """`runs/<recipe>/<budget>[-<8 hex of the overrides>]/<seed>`."""
    budget = recipe.budget
    if recipe.name in RECIPES:
        mine, registered = identity_of(recipe), identity_of(get_recipe(recipe.name, budget))
        overrides = {k: v for k, v in mine.items() if registered.get(k) != v and k != "seed"}
        overrides |= {k: None for k in registered if k not in mine}
        if overrides:
            text = json.dumps(overrides, sort_keys=True)
            budget = f"{budget}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return paths.runs_dir() / recipe.name / budget / str(recipe.seed)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other process out of the folder while this one trains in it.

    Raises:
        DistillError: another process trains there, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "LOCK", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise DistillError(
            f"another process is training in {folder}.\n  Wait for it, or choose --out DIR."
        ) from error
    except OSError as error:
        raise write_error(folder / "LOCK", error) from error
    try:
        yield
    finally:
        lock.release()


def finished_here(folder: Path, identity: dict) -> RunRecord | None:
    """The finished run of this very recipe in the folder, if there is one.

    Raises:
        RecipeMismatchError: a finished run of another recipe is there.
    """
    if not (folder / "run.json").is_file():
        return None
    record = load_record(folder)
    if record.status != "finished":
        return None
    checkpoints.check_identity(
        f"{folder} holds a finished run of another recipe", record.identity, identity
    )
    return record


def start_over(folder: Path) -> None:
    """Delete what an earlier run left in the folder, and nothing else."""
    shutil.rmtree(folder / "ckpt", ignore_errors=True)
    for name in ("run.json", "metrics.jsonl", "last.safetensors", "best.safetensors", "cka.json"):
        (folder / name).unlink(missing_ok=True)
