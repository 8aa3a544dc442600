"""What is known of a run before it starts: its identity, its environment, its costs."""

import hashlib
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from distill_lib.measured_margins import weights_digest
from distill_lib.recipes import Recipe, as_dict
from distill_lib.records import RunRecord, environment
from distill_lib.training import distributed, run_folder
from distill_lib.training.build import Parts
from distill_lib.training.cost import count_multiply_adds, count_parameters
from distill_lib.training.precision import Precision


def new_record(
    recipe: Recipe, parts: Parts, precision: Precision, compiled: bool, out: Path | str | None
) -> RunRecord:
    """The record of a run that is about to start or to go on; nothing is written yet.

    Args:
        recipe: what is trained.
        parts: what was built of it.
        precision: the number format that was chosen.
        compiled: whether torch.compile is in use, which changes how long it takes.
        out: the run's folder; the recipe's own below `runs/` if not given.
    """
    found = {
        "precision": precision.name,
        "data_digest": parts.data.digest,
        "student_shapes": _shapes_digest(parts.distiller.student),
        "world_size": distributed.world_size(),
    }
    if parts.own_data:
        found["data_augment"] = repr(getattr(parts.data, "augment", None))
    if parts.own_student:
        # Shapes do not tell a ReLU from a GELU.
        found["student_modules"] = _digest(repr(parts.distiller.student))
    if parts.distiller.teacher is not None:
        found["teacher_digest"] = weights_digest(parts.distiller.teacher)
    if parts.pretrained_digest is not None:
        found["pretrained_digest"] = parts.pretrained_digest
    return RunRecord(
        path=Path(out) if out is not None else run_folder.default_folder(recipe),
        recipe=as_dict(recipe),
        identity=run_folder.identity_of(recipe, **found),
        environment=environment()
        | {
            "device": _device_name(parts.data.device),
            "precision": asdict(precision),
            "compiled": compiled,
            "threads": torch.get_num_threads(),
            "processes": distributed.world_size(),
        },
        summary=_summary(recipe, parts),
        distiller=parts.distiller,
    )


def _shapes_digest(model: nn.Module) -> str:
    """What must fit a checkpoint's weights, which themselves follow from the seed or were given."""
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    return _digest(repr(shapes))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _summary(recipe: Recipe, parts: Parts) -> dict:
    student = parts.distiller.student
    summary = {
        "task": parts.data.task,
        "num_classes": parts.data.num_classes,
        "train_images": parts.data.num_train,
        "parameters": count_parameters(student),
        "multiply_adds": count_multiply_adds(student, recipe.image_size),
    }
    if parts.own_student:
        summary["student_start"] = weights_digest(student)
    if parts.teacher_run is not None:
        run = parts.teacher_run
        costs = ("parameters", "multiply_adds", "seconds")
        summary["teacher"] = {"recipe": run.name, "budget": run.recipe["budget"]}
        summary["teacher"] |= {name: run.last[name] for name in run.task.metrics}
        summary["teacher"] |= {name: run.summary[name] for name in costs}
    return summary


def peak_memory(device: torch.device) -> int | None:
    """Bytes: of the GPU where there is one, otherwise of the process; None on Windows."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
