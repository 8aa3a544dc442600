"""Put a finished run's record, and its weights if wanted, where they can be committed."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from distill_lib import paths
from distill_lib.errors import DistillError
from distill_lib.files import write_error
from distill_lib.recipes import recipe_from_dict
from distill_lib.records import RunRecord
from distill_lib.similarity import FILE as CKA_FILE
from distill_lib.training.run_folder import default_folder

HALF_ERROR = 2**-10
"""Of a tensor's largest value: what half precision may cost. A few that become 0 cost nothing."""


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
    state = record.load_weights("last") if weights else {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder) as temporary:
            whole = Path(temporary)
            published = replace(record, path=whole, weights={}, distiller=None)
            if weights:
                half = {name: _halved(value) for name, value in state.items()}
                published.save_weights("last", half)
            published.save()
            if (record.path / CKA_FILE).is_file():
                shutil.copyfile(record.path / CKA_FILE, whole / CKA_FILE)
            # Moved when all is written: a full disk costs nothing of what was published before.
            for name in (CKA_FILE, "last.safetensors", "metrics.jsonl", "run.json"):
                if (whole / name).is_file():
                    (whole / name).replace(folder / name)
                else:
                    (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    return replace(published, path=folder)


def _halved(value: Tensor) -> Tensor:
    """In half precision, unless a number would become infinite or all are too small for it."""
    if not value.is_floating_point() or not value.numel():
        return value
    half = value.half()
    error, largest = (half.to(value) - value).abs().max(), value.abs().max()
    return half if error <= HALF_ERROR * largest else value
