"""Records as runs leave them, without a run."""

from dataclasses import replace
from pathlib import Path

from distill_lib.recipes import Recipe, as_dict, get_recipe
from distill_lib.records import RunRecord
from distill_lib.tasks import TASKS
from distill_lib.training.run_folder import identity_of

PLAIN = "plain-cifar10-wrn10_1"
KD = "kd-cifar10-wrn16_2-wrn10_1"
OFD = "ofd-cifar10-wrn16_2-wrn10_1"


def record(
    recipe: str | Recipe,
    seed: int,
    values: list[float],
    *,
    root: Path = Path("results"),
    task: str = "classification",
    precision: str = "float32",
    images: int = 50_000,
) -> RunRecord:
    """A finished run whose first metric had these values after each epoch, the others 90."""
    recipe = get_recipe(recipe, "laptop") if isinstance(recipe, str) else recipe
    recipe = replace(recipe, seed=seed)
    metrics = TASKS[task].metrics
    first = TASKS[task].metric
    teacher = {"recipe": recipe.teacher, "budget": "laptop", **dict.fromkeys(metrics, 92.5)}
    summary = {"task": task, "train_images": images, "parameters": 77850, "seconds": 60.0}
    if recipe.teacher:
        summary["teacher"] = teacher | {"multiply_adds": 100_000_000}
    return RunRecord(
        path=root / recipe.name / recipe.budget / str(seed),
        recipe=as_dict(recipe),
        identity=identity_of(recipe, precision=precision, data_digest="d", world_size=1),
        environment={"device": "cpu", "precision": {"name": precision}},
        status="finished",
        epochs=[
            {"epoch": i, **dict.fromkeys(metrics, 90.0), first: value}
            for i, value in enumerate(values, start=1)
        ],
        summary=summary | {"multiply_adds": 12_500_000},
    )
