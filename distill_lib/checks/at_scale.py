"""Exercise of notebook 11."""

from collections.abc import Callable

import torch

from distill_lib.checks.verdict import CORRECT, NOT_ATTEMPTED, verdict_on
from distill_lib.errors import DistillError
from distill_lib.models import build_model
from distill_lib.recipes import OFD, RECIPES, Recipe, get_recipe, what_differs
from distill_lib.training.cost import count_parameters

PREFIX = "weights:"
CLASSES = 1000
SETTINGS = get_recipe("ofd-imagenet-resnet152-resnet50")
"""The paper's own pair: all but the pair should be as it is there."""
OFD_WEIGHT = 1e-4
"""At 224 pixels (OFD authors' code)."""


def check_pair_recipe(make: Callable[[], Recipe]) -> None:
    """A recipe for OFD on ImageNet, of a pair that has none yet, with the paper's settings.

    No weights are fetched and no network is run.

    Args:
        make: the reader's function; gives the recipe.
    """
    print(verdict_on(make, _verdict))


def _verdict(recipe: object) -> str:
    if recipe is ...:
        return NOT_ATTEMPTED
    if not isinstance(recipe, Recipe):
        return f"wrong: want a Recipe; got {type(recipe).__name__}"
    if recipe.name in RECIPES:
        return f"wrong: the name {recipe.name!r} is taken: both would share a folder"
    if not (recipe.teacher or "").startswith(PREFIX):
        return f"wrong: the teacher is {recipe.teacher!r}; want weights:<torchvision's weights>"
    weights = _weights(recipe.teacher)
    if (recipe.teacher, recipe.student) in _known_pairs():
        return f"wrong: {recipe.teacher} with {recipe.student} is there already: another pair"
    for mistake in (_off_settings(recipe), _wrong_terms(recipe), _unfit(recipe, weights)):
        if mistake:
            return f"wrong: {mistake}"
    return CORRECT


def _weights(teacher: str):
    """What torchvision knows of these weights; nothing is fetched."""
    import torchvision.models

    try:
        return torchvision.models.get_weight(teacher.removeprefix(PREFIX))
    except (ValueError, AttributeError, KeyError) as error:
        raise DistillError(f"torchvision has no weights {teacher.removeprefix(PREFIX)}.") from error


def _known_pairs() -> set[tuple[str | None, str]]:
    papers = (budgets["paper"] for budgets in RECIPES.values())
    return {(r.teacher, r.student) for r in papers if any(isinstance(t, OFD) for t in r.terms)}


def _off_settings(recipe: Recipe) -> str | None:
    for field, got, want in what_differs(recipe, SETTINGS):
        if field.split(".")[0] not in ("teacher", "student", "terms"):
            return f"{field} is {got}; the paper's recipe for ImageNet has {want}"
    if recipe.published:
        return f"published still says {recipe.published[0].top1}: those numbers are another pair's"
    return None


def _wrong_terms(recipe: Recipe) -> str | None:
    names = sorted(spec.term.name for spec in recipe.terms)
    if names != ["ce", "ofd"]:
        return f"the terms are {', '.join(names)}; want ce, ofd"
    ce, ofd = sorted(recipe.terms, key=lambda spec: spec.term.name)
    if ce.weight != 1:
        return f"cross entropy weighs {ce.weight:g}; want 1"
    if ofd.weight != OFD_WEIGHT:
        return f"OFD weighs {ofd.weight:g}; at 224 pixels the authors' code has {OFD_WEIGHT:g}"
    return None


def _unfit(recipe: Recipe, weights) -> str | None:
    classes, size = len(weights.meta["categories"]), weights.transforms().crop_size
    if (classes, size) != (CLASSES, [recipe.image_size]):
        return (
            f"{weights} has {classes} classes and was made for {size} pixels; "
            f"want {CLASSES} and [{recipe.image_size}]"
        )
    with torch.device("meta"):  # shapes without numbers: nothing is allocated
        parameters = count_parameters(build_model(recipe.student, CLASSES))
    if parameters >= weights.meta["num_params"]:
        return (
            f"the student has {parameters:,} parameters, its teacher "
            f"{weights.meta['num_params']:,}: who teaches whom?"
        )
    return None
