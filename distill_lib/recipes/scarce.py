"""Scarce labels: the small pair on a tenth and on a hundredth of CIFAR-10's training images.

Only the images are fewer. The runs have as many steps as those on all images (to half an epoch), at
the same learning rates, so that nothing is lost by training less.
"""

from dataclasses import replace

from distill_lib.recipes import cifar_small
from distill_lib.recipes.cifar import budgets
from distill_lib.recipes.recipe import Recipe

FULL = {
    method: next(name for name in cifar_small.RECIPES if name.startswith(f"{method}-"))
    for method in ("plain", "kd", "cd", "ofd")
}
"""Method -> its recipe with all labels."""
ALL_IMAGES = 50_000
LIMITS = {"10pct": 5_000, "1pct": 500}
"""Ending of a recipe's name -> its training images, as many of each class."""


def _scarce(full: Recipe, ending: str) -> dict[str, Recipe]:
    limit, batch = LIMITS[ending], full.batch_size
    longer = -(-ALL_IMAGES // batch) / -(-limit // batch)  # steps of an epoch, all : limited
    recipe = replace(
        full,
        name=f"{full.name}-{ending}",
        train_limit=limit,
        epochs=round(full.epochs * longer),
        evaluate_every=round(longer),
        note=f"{limit:,} training images, the same for every seed, in as many steps as all "
        f"{ALL_IMAGES:,} have; {full.note}",
    )
    return budgets(recipe, round(cifar_small.EPOCHS * longer))


RECIPES = {
    f"{name}-{ending}": _scarce(cifar_small.RECIPES[name]["paper"], ending)
    for ending in LIMITS
    for name in FULL.values()
}
SUITES = {"scarce-labels": (*FULL.values(), *RECIPES)}
