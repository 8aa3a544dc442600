"""CIFAR-10 and CIFAR-100: seed 1's pair, and OFD's settings a to c."""

from dataclasses import replace

from distill_lib.data.augment import CIFAR_AUGMENT, CIFAR_MMRAZOR_AUGMENT
from distill_lib.recipes.fashion import SMOKE_TEACHER
from distill_lib.recipes.recipe import CE, KD, OFD, Optim, Published, Recipe

OFD_PAPER = "Heo et al., A Comprehensive Overhaul of Feature Distillation, ICCV 2019"
MMRAZOR = "MMRazor's OFD page"
MMRAZOR_LATER = "MMRazor's later record of 2023-04"

STUDENT = (
    Published("student alone", 93.43, 99.75, MMRAZOR),
    Published("student alone", 93.26, None, MMRAZOR_LATER),
)
TEACHER = (
    Published("teacher", 95.49, 99.81, MMRAZOR),
    Published("teacher", 95.44, None, MMRAZOR_LATER),
)
DISTILLED = (
    Published("OFD", 95.23, 99.79, MMRAZOR),
    Published("OFD", 94.21, None, MMRAZOR_LATER),
)

AUTHORS = Recipe(
    name="",
    data="cifar10",
    student="wrn_16_2",
    augment=CIFAR_AUGMENT,
    optim=Optim(lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, milestones=(100, 150)),
    batch_size=128,
    epochs=200,
    note="CIFAR-10 with the settings of the OFD authors' CIFAR-100 code",
)
WITH_OFD = (CE(), OFD(weight=1e-3))
WITH_KD = (CE(weight=0.1), KD(weight=0.9, temperature=4.0))
LAPTOP_OPTIM = Optim(lr=0.2, weight_decay=5e-4, schedule="one_cycle", peak_at=0.25)


def budgets(paper: Recipe, laptop_epochs: int) -> dict[str, Recipe]:
    """The same experiment at the three budgets.

    `laptop` is a one-cycle run of a few epochs; `smoke` runs the same terms through narrow
    networks on a few embedded images.
    """
    laptop = replace(
        paper,
        budget="laptop",
        epochs=laptop_epochs,
        optim=LAPTOP_OPTIM,
        note=f"{laptop_epochs} epochs, one-cycle learning rate to 0.2; {paper.note}",
    )
    smoke = replace(
        SMOKE_TEACHER,
        name=paper.name,
        paper=paper.paper,
        published=paper.published,
        student="wrn_10_1",
        terms=paper.terms,
        teacher=SMOKE_TEACHER.name if paper.teacher else None,
        teacher_mode=paper.teacher_mode,
        note="500 embedded images and narrow networks: shows that it runs, and no more",
    )
    return {"smoke": smoke, "laptop": laptop, "paper": paper}


def mmrazor(recipe: Recipe) -> Recipe:
    """The same with MMRazor's settings."""
    return replace(
        recipe,
        name=f"{recipe.name}-mmrazor",
        augment=CIFAR_MMRAZOR_AUGMENT,
        teacher_mode="eval",
        optim=replace(recipe.optim, weight_decay=1e-4, nesterov=False),
        note="MMRazor's settings; its batch norms saw 16 images on each of 8 GPUs, ours see 128",
    )


def _cifar10() -> dict[str, dict[str, Recipe]]:
    teacher = replace(
        AUTHORS,
        name="plain-cifar10-wrn28_4",
        student="wrn_28_4",
        paper="seed 1, vanilla WRN28-4",
        published=TEACHER,
    )
    plain = replace(
        AUTHORS, name="plain-cifar10-wrn16_2", paper="seed 1, vanilla WRN16-2", published=STUDENT
    )
    ofd = replace(
        AUTHORS,
        name="ofd-cifar10-wrn28_4-wrn16_2",
        teacher=teacher.name,
        teacher_mode="train",
        terms=WITH_OFD,
        paper=f"seed 1; {OFD_PAPER}",
        published=(*DISTILLED, *STUDENT, *TEACHER),
    )
    kd = replace(
        AUTHORS,
        name="kd-cifar10-wrn28_4-wrn16_2",
        teacher=teacher.name,
        terms=WITH_KD,
        paper="Hinton et al., Distilling the Knowledge in a Neural Network, 2015",
        note="weights and temperature as RepDistiller has them; not published for this pair",
        published=(*STUDENT, *TEACHER),
    )
    return {
        recipe.name: budgets(recipe, laptop_epochs)
        for recipe, laptop_epochs in (
            (teacher, 12),
            (mmrazor(teacher), 12),
            (plain, 30),
            (mmrazor(plain), 30),
            (ofd, 8),
            (replace(mmrazor(ofd), teacher=mmrazor(teacher).name), 8),
            (kd, 8),
        )
    }


CIFAR100_ERRORS = {  # setting: student, error alone, error with OFD, in per cent
    "a": ("wrn_16_4", 22.72, 20.89),
    "b": ("wrn_28_2", 24.88, 21.98),
    "c": ("wrn_16_2", 27.32, 24.08),
}
CIFAR100_TEACHER_ERROR = 21.09
AUTHORS_README = "OFD authors' README"


def _cifar100() -> dict[str, dict[str, Recipe]]:
    teacher = replace(
        AUTHORS,
        name="plain-cifar100-wrn28_4",
        data="cifar100",
        student="wrn_28_4",
        paper=OFD_PAPER,
        note="the teacher of settings a to d",
        published=(Published("teacher", accuracy(CIFAR100_TEACHER_ERROR), None, AUTHORS_README),),
    )
    recipes = {teacher.name: budgets(teacher, 12)}
    for setting, (student, alone, distilled) in CIFAR100_ERRORS.items():
        short = student.replace("wrn_", "wrn")
        published_alone = Published("student alone", accuracy(alone), None, AUTHORS_README)
        plain = replace(
            teacher,
            name=f"plain-cifar100-{short}",
            student=student,
            note=f"the student of setting {setting} alone",
            published=(published_alone,),
        )
        ofd = replace(
            plain,
            name=f"ofd-cifar100-{setting}-wrn28_4-{short}",
            teacher=teacher.name,
            teacher_mode="train",
            terms=WITH_OFD,
            paper=f"{OFD_PAPER}, CIFAR-100 setting {setting}",
            note="",
            published=(
                Published("OFD", accuracy(distilled), None, AUTHORS_README),
                published_alone,
                *teacher.published,
            ),
        )
        recipes |= {recipe.name: budgets(recipe, 8) for recipe in (plain, ofd)}
    return recipes


def accuracy(error: float) -> float:
    """Top-1 accuracy of an error, both in per cent, with the error's two decimals."""
    return round(100 - error, 2)


RECIPES = _cifar10() | _cifar100()
