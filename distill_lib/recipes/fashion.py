"""The embedded Fashion-MNIST subset: the demo's teacher and students, and CD's."""

from dataclasses import replace

from distill_lib.data.augment import FASHION_AUGMENT
from distill_lib.recipes.recipe import CD, CE, GKD, KD, OFD, Optim, Recipe

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
SMOKE_TEACHER = replace(
    TEACHER,
    budget="smoke",
    epochs=1,
    train_limit=500,
    batch_size=50,
    note="500 embedded images: shows that it runs, and no more",
)
STUDENTS = (
    replace(SMALL, name="plain-fashion-wrn10_1"),
    replace(
        SMALL,
        name="kd-fashion-wrn16_2-wrn10_1",
        teacher=TEACHER.name,
        terms=(CE(weight=0.1), KD(weight=0.9, temperature=4.0)),
    ),
    replace(
        SMALL,
        name="ofd-fashion-wrn16_2-wrn10_1",
        teacher=TEACHER.name,
        terms=(CE(), OFD(weight=1e-3)),
    ),
)
CHANNEL_STUDENTS = (
    replace(
        SMALL,
        name="cd-fashion-wrn16_2-wrn10_1",
        teacher=TEACHER.name,
        terms=(CE(), CD()),
    ),
    replace(
        SMALL,
        name="cd_gkd-fashion-wrn16_2-wrn10_1",
        teacher=TEACHER.name,
        terms=(CE(), GKD(weight=0.1), CD()),
    ),
)


def _budgets(laptop: Recipe, paper_epochs: int) -> dict[str, Recipe]:
    smoke = {"budget": "smoke", "epochs": 1, "train_limit": 500, "batch_size": 50}
    return {
        "smoke": replace(laptop, note=SMOKE_TEACHER.note, **smoke),
        "laptop": laptop,
        "paper": replace(laptop, budget="paper", epochs=paper_epochs),
    }


RECIPES = {
    TEACHER.name: _budgets(TEACHER, 60) | {"smoke": SMOKE_TEACHER},
    **{student.name: _budgets(student, 30) for student in (*STUDENTS, *CHANNEL_STUDENTS)},
}
