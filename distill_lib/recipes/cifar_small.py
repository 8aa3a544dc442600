"""CIFAR-10's small pair, WRN-16-2 to WRN-10-1: every method once, at a budget that a CPU can pay.

No paper has this pair. All rows share the teacher, the optimiser and the epochs, so that they
differ in their terms alone.
"""

from dataclasses import replace

from distill_lib.recipes.cifar import AUTHORS, budgets
from distill_lib.recipes.methods import METHODS

EPOCHS = 8
TEACHER = "plain-cifar10-wrn16_2"
PLAIN = replace(
    AUTHORS,
    name="plain-cifar10-wrn10_1",
    student="wrn_10_1",
    paper="no paper: the small pair of this project",
    note="CIFAR-10 with the settings of the OFD authors' CIFAR-100 code",
)
RECIPES = {
    recipe.name: budgets(recipe, EPOCHS)
    for recipe in (
        PLAIN,
        *(
            replace(PLAIN, name=f"{method}-cifar10-wrn16_2-wrn10_1", teacher=TEACHER, terms=terms)
            for method, terms in METHODS.items()
        ),
    )
}
