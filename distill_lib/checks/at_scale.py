"""Exercise of notebook 11."""

from collections.abc import Callable
from dataclasses import fields

import torch

from distill_lib.checks.verdict import CORRECT, NOT_ATTEMPTED, verdict_on
from distill_lib.distiller import Distiller
from distill_lib.models import build_model
from distill_lib.recipes import OFD, RECIPES, Recipe, get_recipe, what_differs
from distill_lib.terms import Overhaul
from distill_lib.training.cost import count_parameters
from distill_lib.training.trained_networks import torchvision_weights

PREFIX = "weights:"
CLASSES = 1000
SETTINGS = get_recipe("ofd-imagenet-resnet152-resnet50")
"""The paper's own pair: all but the pair should be as it is there."""
PAIRS, SMALL = 2, 64
"""At least so many taps must pair up, found on images of so many pixels."""


def check_pair_recipe(make: Callable[[], Recipe]) -> None:
    """A recipe for OFD on ImageNet, of a pair that has none yet, with the paper's settings.

    No weights are fetched; the networks are built with random ones, to see whether they pair up.

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
    weights, model = torchvision_weights(recipe.teacher.removeprefix(PREFIX))
    if (recipe.teacher, recipe.student) in _known_pairs():
        return f"wrong: {recipe.teacher} with {recipe.student} is there already: another pair"
    mistake = (
        _off_settings(recipe)
        or _wrong_terms(recipe)
        or _unfit(recipe, weights)
        or _unpaired(model, recipe.student)
    )
    return f"wrong: {mistake}" if mistake else CORRECT


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
    theirs = next(spec for spec in SETTINGS.terms if isinstance(spec, OFD))
    if ofd.weight != theirs.weight:
        return f"OFD weighs {ofd.weight:g}; at 224 pixels the authors' code has {theirs.weight:g}"
    for field in fields(OFD):
        got, want = getattr(ofd, field.name), getattr(theirs, field.name)
        if got != want and field.name not in ("teacher_taps", "student_taps"):
            return f"OFD's {field.name} is {got}; the paper's recipe for ImageNet has {want}"
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


def _unpaired(teacher: str, student: str) -> str | None:
    term = Overhaul()
    with torch.random.fork_rng([]):
        networks = [build_model(name, CLASSES) for name in (f"torchvision/{teacher}", student)]
        Distiller(*networks, [term], image_size=SMALL)
    if (pairs := len(term.student_taps)) < PAIRS:
        return f"taps of equal stride: {pairs}; want {PAIRS} at least\n{term.describe_taps()}"
    return None
