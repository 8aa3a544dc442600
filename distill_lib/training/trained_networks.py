"""Networks that were trained before, by name: of runs, of torchvision, of files of weights."""

from pathlib import Path

import torch
from torch import nn

from distill_lib.errors import CheckpointError, DistillError, unknown_name
from distill_lib.measured_margins import weights_digest
from distill_lib.models import build_model
from distill_lib.recipes import RECIPES, Recipe
from distill_lib.records import RunRecord, finished_run, load_record
from distill_lib.training import checkpoints


def load_teacher(
    recipe: Recipe, num_classes: int, *, untrained_teacher: bool = False
) -> tuple[nn.Module, RunRecord | None]:
    """The network that `recipe.teacher` names, and its run where it comes from one.

    Raises:
        DistillError: nothing has this name, or it has no trained weights; what to do is said.
    """
    name = recipe.teacher
    if name is None:
        raise DistillError(
            f"recipe {recipe.name!r} has terms that need a teacher, and names none.\n"
            "  Say --teacher RECIPE, a run's folder, or weights:<torchvision weights>."
        )
    found = trained_network(name)
    if found is not None:
        return found
    if name in RECIPES:
        raise DistillError(
            f"the teacher of {recipe.name!r} is the recipe {name!r}, which has no finished "
            f"run.\n  Make it: python -m distill_lib train {name} --budget {recipe.budget}\n"
            "  or do both at once with --with-teacher."
        )
    path = Path(name)
    if path.is_file():
        return load_weights_file(path, recipe.teacher_model, num_classes), None
    return _untrained(name, num_classes, untrained_teacher), None


def trained_network(name: str) -> tuple[nn.Module, RunRecord | None] | None:
    """The network of weights:<enum>, a recipe's finished run or a run's folder, and that run.

    None where the name is none of these.
    """
    if name.startswith("weights:"):
        return _load_enum(name.removeprefix("weights:")), None
    if name in RECIPES:
        run = finished_run(name)
    else:
        run = load_record(Path(name)) if (Path(name) / "run.json").is_file() else None
    return None if run is None else (load_student(run), run)


def load_backbone(student: nn.Module, recipe: Recipe) -> str:
    """Start the backbone of a student from the classification network that the recipe names.

    Returns:
        that network's `weights_digest`.
    Raises:
        DistillError: the student has no backbone, or the name no finished run or weights.
        CheckpointError: the weights are of another network.
    """
    if not hasattr(student, "load_backbone"):
        raise DistillError(
            f"recipe {recipe.name!r}: pretrained is {recipe.pretrained!r}, and student "
            f"{recipe.student!r} has no backbone that could start from it.\n  Set it to None."
        )
    name = recipe.pretrained
    found = trained_network(name)
    if found is None:
        raise DistillError(
            f"the backbone of {recipe.name!r} starts from {name!r}, which is no finished run.\n"
            f"  Make it: python -m distill_lib train {name} --budget {recipe.budget}\n"
            "  or start from weights:<torchvision weights>, or from nothing: --pretrained None."
        )
    try:
        student.load_backbone(found[0].state_dict())
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()[:200]
        raise CheckpointError(
            f"{name!r} does not fit the backbone of {recipe.student!r}:\n  {reason}"
        ) from error
    return weights_digest(found[0])


def load_student(run: RunRecord, weights: str = "last") -> nn.Module:
    """The trained network of a run, with the weights of its last or best epoch.

    Raises:
        CheckpointError: the weights are missing, damaged, or of another network.
    """
    model = build_model(run.recipe["student"], run.summary["num_classes"])
    _load_state(model, run.load_weights(weights), run.path)
    return model.eval()


def check_teacher(run: RunRecord, teacher: nn.Module) -> None:
    """Refuse a network that is not the one which taught in a run.

    Raises:
        CheckpointError: its weights are others.
    """
    if weights_digest(teacher) != run.identity.get("teacher_digest"):
        raise CheckpointError(
            f"{run.path} was taught by other weights than {run.recipe['teacher']} has now.\n"
            "  Bring those back, or train the student anew with --fresh."
        )


def torchvision_weights(name: str):
    """The weights of torchvision of this name, and what `get_model` calls their network.

    Nothing is fetched.

    Raises:
        DistillError: there are none, or they are not of a network that classifies images.
    """
    from torchvision import models

    classifiers = {
        weights: model
        for model in models.list_models(module=models)
        for weights in models.get_model_weights(model)
    }
    try:
        weights = models.get_weight(name)
    except (ValueError, AttributeError, KeyError) as error:
        raise unknown_name("torchvision weights", name, map(str, classifiers)) from error
    if weights not in classifiers:
        raise DistillError(
            f"weights:{name} are not of a network that classifies images.\n"
            "  Expected weights such as ResNet34_Weights.IMAGENET1K_V1."
        )
    return weights, classifiers[weights]


def _load_enum(name: str) -> nn.Module:
    import torchvision.models

    weights, model = torchvision_weights(name)
    try:
        return torchvision.models.get_model(model, weights=weights).eval()
    except OSError as error:
        raise DistillError(
            f"weights:{name} cannot be downloaded: {error}.\n"
            f"  Put the file of {weights.url} into {torch.hub.get_dir()}/checkpoints."
        ) from error


def load_weights_file(path: Path, model_name: str | None, num_classes: int) -> nn.Module:
    """A network with the weights of a .safetensors or .pt file, as our code or others wrote it.

    Raises:
        DistillError: no network is named, or nothing has this name.
        CheckpointError: the file is damaged or does not fit the network.
    """
    if model_name is None:
        raise DistillError(
            f"teacher {path} is a file of weights; expected the network's name beside it.\n"
            "  Say --teacher-model wrn_28_4 (or another name of build_model)."
        )
    model = build_model(model_name, num_classes)
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = load_file(path)
        except SafetensorError as error:
            raise CheckpointError(f"{path} is no safetensors file: {error}") from error
        state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    else:
        state = checkpoints.read(path)
        inner = state.get("state_dict")
        state = inner if isinstance(inner, dict) else state
    _load_state(model, state, path)
    return model.eval()


def _load_state(model: nn.Module, state: dict, source: Path) -> None:
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        reasons = str(error).splitlines()[1:3]
        raise CheckpointError(
            f"{source} does not fit {type(model).__name__}:\n"
            + "\n".join(f"  {reason.strip()[:200]}" for reason in reasons)
        ) from error


def _untrained(name: str, num_classes: int, allowed: bool) -> nn.Module:
    try:
        model = build_model(name, num_classes)
    except DistillError as error:
        raise DistillError(
            f"teacher {name!r} is no recipe, run folder, weights file or network.\n"
            f"  {unknown_name('recipe', name, RECIPES)}"
        ) from error
    if not allowed:
        raise DistillError(
            f"teacher {name!r} is a network without trained weights.\n"
            "  Name a recipe or a run that trained it, or say --untrained-teacher."
        )
    return model
