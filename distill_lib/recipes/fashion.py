"""The embedded Fashion-MNIST subset: the demo's teacher and students, and CD's."""

from dataclasses import replace

from distill_lib.data.augment import FASHION_AUGMENT
from distill_lib.recipes.methods import METHODS
from distill_lib.recipes.recipe import Optim, Recipe

SMALL = Recipe(
    name="",
    data="fashion",
    student="wrn_10_1",
    augment=FASHION_AUGMENT,
    optim=Optim(lr=0.2, weight_decay=5e-4, schedule="one_cycle", peak_at=0.3),
    batch_size=128,
    epochs=3,
    budget="laptop",
    paper="no paper: the demo of this project",
    note="10,000 embedded Fashion-MNIST images",
)
TEACHER = replace(SMALL, name="plain-fashion-wrn16_2", student="wrn_16_2", epochs=20)
PLAIN = replace(SMALL, name="plain-fashion-wrn10_1")
DISTILLED = tuple(
    replace(
        PLAIN,
        name=f"{method}-fashion-wrn16_2-wrn10_1",
        teacher=TEACHER.name,
        terms=METHODS[method],
    )
    for method in ("kd", "ofd", "cd", "cd_gkd")
)
STUDENTS = (PLAIN, *DISTILLED[:2])
"""What the demo trains."""


def _budgets(laptop: Recipe, paper_epochs: int) -> dict[str, Recipe]:
    return {
        "smoke": replace(
            laptop,
            budget="smoke",
            epochs=1,
            train_limit=500,
            batch_size=50,
            note="500 embedded images: shows that it runs, and no more",
        ),
        "laptop": laptop,
        "paper": replace(laptop, budget="paper", epochs=paper_epochs),
    }


RECIPES = {
    TEACHER.name: _budgets(TEACHER, 60),
    **{student.name: _budgets(student, 30) for student in (PLAIN, *DISTILLED)},
}
SMOKE_TEACHER = RECIPES[TEACHER.name]["smoke"]
