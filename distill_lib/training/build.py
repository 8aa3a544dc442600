"""From a recipe's names to the objects that are trained."""

from dataclasses import dataclass

import torch
from torch import nn

from distill_lib.data import ImageData, load_data
from distill_lib.distiller import Distiller
from distill_lib.errors import CheckpointError, DistillError
from distill_lib.models import build_model
from distill_lib.recipes import Recipe, recipe_from_dict
from distill_lib.records import RunRecord
from distill_lib.taps import BATCH_NORMS
from distill_lib.training import checkpoints
from distill_lib.training.check_parts import check_parts
from distill_lib.training.trained_networks import check_teacher, load_backbone, load_teacher


@dataclass
class Parts:
    """What a recipe names, built: data, and the Distiller with teacher and student.

    Attributes:
        pretrained_digest: of the network that the student's backbone starts from, if it does.
    """

    data: ImageData
    distiller: Distiller
    teacher_run: RunRecord | None
    pretrained_digest: str | None
    own_student: bool
    own_data: bool


def build(
    recipe: Recipe,
    *,
    data: ImageData | None = None,
    teacher: nn.Module | None = None,
    student: nn.Module | None = None,
    device: torch.device | str = "cpu",
    untrained_teacher: bool = False,
) -> Parts:
    """Data, teacher, student and terms of a recipe; objects given are used as they are.

    The student and the connectors are initialised from `recipe.seed` alone; the global random
    state is left as it was.

    Raises:
        DistillError: a name is unknown, the teacher has no trained weights, or the parts do not
            fit together.
    """
    own_data = data is not None
    if not own_data:
        data = load_recipe_data(recipe, device)
    if data.device.type != torch.device(device).type:
        raise DistillError(
            f"data set {data.name!r} is on {data.device}, the training runs on {device}.\n"
            f"  Load it there, or say device={data.device.type!r}."
        )
    if data.image_size != recipe.image_size:
        raise DistillError(
            f"data set {data.name!r} has images of {data.image_size} pixels, the recipe says "
            f"{recipe.image_size}.\n  Set image_size={data.image_size} in the recipe."
        )
    teacher_run = None
    if recipe.needs_teacher and teacher is None:
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            teacher, teacher_run = load_teacher(
                recipe, data.num_classes, untrained_teacher=untrained_teacher
            )
    if recipe.needs_teacher and not untrained_teacher and looks_untrained(teacher):
        raise DistillError(
            f"teacher {type(teacher).__name__} has no trained weights: its batch norms never saw "
            "an image.\n  Load its weights first, or say --untrained-teacher "
            "(untrained_teacher=True)."
        )
    own_student, pretrained_digest = student is not None, None
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        if student is None:
            student = build_model(recipe.student, data.num_classes)
            if recipe.pretrained is not None:
                pretrained_digest = load_backbone(student, recipe)
        terms = [spec.build(recipe.epochs) for spec in recipe.terms]
        distiller = Distiller(
            teacher, student, terms, recipe.teacher_mode, image_size=recipe.image_size
        )
    distiller.to(device, memory_format=torch.channels_last)
    check_parts(distiller, data, recipe)
    return Parts(data, distiller, teacher_run, pretrained_digest, own_student, own_data)


def load_recipe_data(recipe: Recipe, device: torch.device | str = "cpu") -> ImageData:
    """The data set that a recipe names, with its augmentation, size and limit.

    Raises:
        DistillError: the name or a setting does not fit.
        DataError: the set is not on this machine, or is damaged.
    """
    return load_data(
        recipe.data,
        augment=recipe.augment,
        device=device,
        train_limit=recipe.train_limit,
        image_size=recipe.image_size,
    )


def looks_untrained(model: nn.Module) -> bool:
    """Whether the network has batch norms and none of them ever saw an image."""
    norms = [m for m in model.modules() if isinstance(m, BATCH_NORMS) and m.running_var is not None]
    return bool(norms) and all(
        bool((m.running_mean == 0).all() and (m.running_var == 1).all()) for m in norms
    )


def load_distiller(
    run: RunRecord,
    *,
    teacher: nn.Module | None = None,
    student: nn.Module | None = None,
    data: ImageData | None = None,
) -> Distiller:
    """The whole Distiller of a run of this machine, connectors included, from its checkpoint.

    Args:
        run: the run.
        teacher, student, data: what `fit` was given in place of names.
    Raises:
        CheckpointError: the run has no checkpoint (a published record holds weights alone), or
            its teacher is not what it was.
    """
    commit, _ = checkpoints.newest(run.path / "ckpt")
    if commit is None:
        raise CheckpointError(f"{run.path} has no checkpoint; train it here with --fresh.")
    recipe = recipe_from_dict(run.recipe)
    distiller = build(recipe, data=data, teacher=teacher, student=student).distiller
    if distiller.teacher is not None:
        check_teacher(run, distiller.teacher)
    distiller.load_state_dict(checkpoints.load(commit, run.identity)["distiller"])
    return distiller.eval()
