"""The named experiments, and what differs between two of them.

get_recipe("ofd-cifar10-wrn28_4-wrn16_2", "laptop")
"""

from distill_lib.data.augment import Augment
from distill_lib.data.boxes import BoxAugment
from distill_lib.data.image_folders import ResizedCrop
from distill_lib.data.masks import MaskAugment
from distill_lib.data.registry import AnyAugment
from distill_lib.errors import DistillError, unknown_name
from distill_lib.recipes import (
    cifar,
    cifar100,
    cifar_small,
    design,
    detection,
    fashion,
    imagenet,
    scarce,
    segmentation,
)
from distill_lib.recipes.recipe import (
    BUDGETS,
    FREE,
    Budget,
    Optim,
    Published,
    Recipe,
)
from distill_lib.recipes.specs import (
    AT,
    CD,
    CE,
    DKD,
    GKD,
    KD,
    OFD,
    RKD,
    Hint,
    MultiBox,
    PixelCE,
    TermSpec,
    plain,
    spec_from_dict,
)

RECIPES: dict[str, dict[str, Recipe]] = (
    fashion.RECIPES
    | cifar.RECIPES
    | cifar_small.RECIPES
    | design.RECIPES
    | scarce.RECIPES
    | cifar100.RECIPES
    | imagenet.RECIPES
    | segmentation.RECIPES
    | detection.RECIPES
)
"""Recipe name -> budget -> recipe."""
SUITES: dict[str, tuple[str, ...]] = {
    "seed1": cifar.SEED1_ROWS,
    "seed1-laptop": cifar.LAPTOP_ROWS,
    "seed2": ("plain-imagenet-resnet34", *imagenet.SEED2_ROWS),
    "small-pair": tuple(cifar_small.RECIPES),
    "camvid": segmentation.SUITE,
    "shapes": segmentation.SHAPES_SUITE,
    "bccd": detection.SUITE,
    "shapes-boxes": detection.SHAPES_SUITE,
    **design.SUITES,
    **scarce.SUITES,
}
"""Tables that `train` runs from one command: their recipes, a teacher before its students."""


NAMED_AUGMENTS = {kind.__name__: kind for kind in (MaskAugment, BoxAugment)}
"""Augmentations that a record names; the others are told by their fields."""


def get_recipe(name: str, budget: Budget = "paper") -> Recipe:
    """The recipe of this name at this budget.

    Raises:
        DistillError: unknown name (the nearest are given) or budget.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    if budget not in BUDGETS:
        raise DistillError(f"budget is {budget!r}; expected one of {', '.join(BUDGETS)}.")
    return RECIPES[name][budget]


def flatten(value, prefix: str = "") -> dict[str, object]:
    """Nested dictionaries and sequences as dotted keys: `{"optim.lr": 0.1, "terms.0.weight": 1}`.

    Sequences of plain values stay whole.
    """
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list | tuple) and any(isinstance(v, dict) for v in value):
        items = enumerate(value)
    else:
        return {prefix: _lists(value)}
    flat: dict[str, object] = {}
    for key, inner in items:
        flat |= flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _lists(value):
    """Tuples as the lists that JSON makes of them."""
    return [_lists(inner) for inner in value] if isinstance(value, list | tuple) else value


def as_dict(recipe: Recipe) -> dict:
    """A recipe as plain data, each term with its name, for records and comparison."""
    data = plain(recipe) | {"optim": plain(recipe.optim)}
    data["terms"] = [spec.as_dict() for spec in recipe.terms]
    if (kind := type(recipe.augment).__name__) in NAMED_AUGMENTS:
        data["augment"]["kind"] = kind
    return data


def recipe_from_dict(data: dict) -> Recipe:
    """The recipe that `as_dict` made this of, from a run's record.

    Raises:
        DistillError: a field or term is unknown to this version.
    """
    try:
        nested = {
            "terms": tuple(spec_from_dict(_tuples(term)) for term in data["terms"]),
            "augment": data["augment"] and _augment(_tuples(data["augment"])),
            "optim": Optim(**_tuples(data["optim"])),
            "published": tuple(Published(**p) for p in data["published"]),
        }
        return Recipe(**{**data, **nested})
    except (KeyError, TypeError) as error:
        raise DistillError(
            f"the record's recipe cannot be read by this version: {error}"
        ) from error


def _augment(values: dict) -> AnyAugment:
    kind = NAMED_AUGMENTS.get(values.pop("kind", None))
    if kind is None:
        kind = ResizedCrop if "scale" in values else Augment
    return kind(**values)


def _tuples(value):
    """Lists, as JSON has them, back to tuples."""
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def identity_fields(recipe: dict) -> dict[str, object]:
    """What changes the mathematics, flat: a recipe's fields, as plain data, but those of `FREE`."""
    return flatten({key: value for key, value in recipe.items() if key not in FREE})


def differing(a: dict, b: dict) -> list[tuple[str, object, object]]:
    """(key, value in a, value in b) where two flat dictionaries differ; None: no such key."""
    keys = [*a, *(key for key in b if key not in a)]
    return [(key, a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)]


def what_differs(a: Recipe, b: Recipe) -> list[tuple[str, object, object]]:
    """The fields in which two recipes differ: between two rows of a paper, that is the paper.

    Returns:
        rows (field, value in a, value in b), None where one has no such field.
    """
    skipped = ("name", "published", "note", "paper")
    rows = differing(flatten(as_dict(a)), flatten(as_dict(b)))
    return [row for row in rows if row[0].split(".")[0] not in skipped]
