"""Put a finished run's record, and its weights if wanted, where they can be committed."""

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from distill_lib import paths
from distill_lib.errors import DistillError
from distill_lib.files import write_atomically
from distill_lib.recipes import recipe_from_dict
from distill_lib.records import RunRecord
from distill_lib.similarity import FILE as CKA_FILE
from distill_lib.training.run_folder import default_folder


def publish(record: RunRecord, folder: Path | None = None, *, weights: bool = False) -> RunRecord:
    """Copy a finished run's record, and its CKA if it was measured, without its checkpoints.

    Args:
        record: a finished run.
        folder: where to; the recipe's own place below `results/` if not given.
        weights: also the last epoch's weights, in half precision where it holds them.
    Returns:
        the record in its new place.
    Raises:
        DistillError: the run is not finished or published already, or the folder cannot be written.
    """
    if record.status != "finished":
        raise DistillError(f"{record.path} is {record.status}; only finished runs are published.")
    if folder is None:
        own = default_folder(recipe_from_dict(record.recipe)).relative_to(paths.runs_dir())
        folder = paths.results_dir() / own
    if folder.resolve() == record.path.resolve():
        raise DistillError(f"{record.path} is published already.")
    published = replace(record, path=folder, weights={}, distiller=None)
    if weights:
        state = record.load_weights("last")
        published.save_weights("last", {name: _halved(value) for name, value in state.items()})
    published.save()
    if (similarity := record.path / CKA_FILE).is_file():
        content = similarity.read_bytes()
        write_atomically(folder / CKA_FILE, lambda handle: handle.write(content))
    else:
        (folder / CKA_FILE).unlink(missing_ok=True)  # of the run that was published before
    if not weights:
        (folder / "last.safetensors").unlink(missing_ok=True)
    return published


def _halved(value: Tensor) -> Tensor:
    """In half precision, unless a number would become infinite, or 0 that is none."""
    half = value.half()
    lost = half.isinf() | ((half == 0) & (value != 0))
    return half if value.is_floating_point() and not lost.any() else value
