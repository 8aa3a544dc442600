"""CIFAR-10's small pair, WRN-16-2 to WRN-10-1: every method once, at a budget that a CPU can pay.

No paper has this pair. All rows share the teacher, the optimiser and the epochs, so that they
differ in their terms alone.
"""

from dataclasses import replace

from distill_lib.recipes.cifar import AUTHORS, WITH_KD, WITH_OFD, budgets
from distill_lib.recipes.recipe import AT, CD, CE, DKD, GKD, KD, RKD, Hint, TermSpec
from distill_lib.schedules import Decay

EPOCHS = 8
TEACHER = "plain-cifar10-wrn16_2"
PLAIN = replace(
    AUTHORS,
    name="plain-cifar10-wrn10_1",
    student="wrn_10_1",
    paper="no paper: the small pair of this project",
    note="CIFAR-10 with the settings of the OFD authors' CIFAR-100 code",
)
LRDV2 = Decay("cifar", "lrdv2")
METHODS: dict[str, tuple[TermSpec, ...]] = {
    "kd": WITH_KD,
    "dkd": (CE(), DKD()),
    "hint": (CE(), Hint()),
    "at": (CE(), AT()),
    "rkd": (CE(), RKD()),
    "cd": (CE(), CD()),
    "cd_gkd": (CE(), GKD(weight=0.1), CD()),
    "cd_gkd_edt": (
        CE(decay=LRDV2),
        GKD(weight=0.1, decay=LRDV2),
        CD(decay=Decay("cifar", "lrdv2", factor=0.9)),
    ),
    "ofd": WITH_OFD,
    "ofd_kd": (*WITH_OFD, KD(weight=0.9, temperature=4.0)),
}
"""Method -> its terms; the recipe is called <method>-cifar10-wrn16_2-wrn10_1."""

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
