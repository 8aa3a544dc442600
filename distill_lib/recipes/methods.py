"""Every method's terms, with the weights that all CIFAR recipes share."""

from dataclasses import replace

from distill_lib.recipes.recipe import Recipe
from distill_lib.recipes.specs import AT, CD, CE, DKD, GKD, KD, OFD, RKD, Hint, TermSpec
from distill_lib.schedules import Decay

LRDV2 = Decay("cifar", "lrdv2")
METHODS: dict[str, tuple[TermSpec, ...]] = {
    "kd": (CE(weight=0.1), KD(weight=0.9, temperature=4.0)),
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
    "ofd": (CE(), OFD(weight=1e-3)),
    "ofd_kd": (CE(), OFD(weight=1e-3), KD(weight=0.9, temperature=4.0)),
}
"""Method -> its terms; a recipe's name begins with the method: ofd-cifar10-wrn16_2-wrn10_1."""


def at_a_tenth(budgets: dict[str, Recipe]) -> dict[str, dict[str, Recipe]]:
    """`ofd_x0.1-...` -> a recipe `ofd-...` at a tenth of OFD's weight, at the same budgets."""
    name = budgets["paper"].name.replace("ofd-", "ofd_x0.1-", 1)
    lighter = {
        budget: replace(
            recipe,
            name=name,
            terms=tuple(
                replace(term, weight=term.weight / 10) if isinstance(term, OFD) else term
                for term in recipe.terms
            ),
            note=f"{recipe.note}; a tenth of OFD's weight, tried after the full weight was seen",
        )
        for budget, recipe in budgets.items()
    }
    return {name: lighter}
