"""CIFAR-10: the pair of MMRazor's OFD page, and the settings that all CIFAR recipes share."""

from dataclasses import fields, replace

from distill_lib.data.augment import CIFAR_AUGMENT, CIFAR_MMRAZOR_AUGMENT
from distill_lib.recipes.fashion import SMOKE_TEACHER
from distill_lib.recipes.methods import METHODS
from distill_lib.recipes.recipe import Optim, Published, Recipe
from distill_lib.recipes.specs import TermSpec

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
    return {"smoke": smoke_of(paper), "laptop": laptop, "paper": paper}


def smoke_of(paper: Recipe) -> Recipe:
    """The same terms between narrow networks, on a few embedded images."""
    return replace(
        SMOKE_TEACHER,
        name=paper.name,
        paper=paper.paper,
        published=paper.published,
        student="wrn_10_1",
        terms=tuple(_anywhere(spec) for spec in paper.terms),
        teacher=SMOKE_TEACHER.name if paper.teacher else None,
        teacher_mode=paper.teacher_mode,
        note="500 embedded images and narrow networks: shows that it runs, and no more",
    )


def _anywhere(spec: TermSpec) -> TermSpec:
    """A term without the taps that are named in the paper's networks."""
    named = {f.name: None for f in fields(spec) if f.name in ("teacher_taps", "student_taps")}
    return replace(spec, **named)


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
        paper=f"{MMRAZOR}, vanilla WRN28-4",
        published=TEACHER,
    )
    plain = replace(
        AUTHORS,
        name="plain-cifar10-wrn16_2",
        paper=f"{MMRAZOR}, vanilla WRN16-2",
        published=STUDENT,
    )
    ofd = replace(
        AUTHORS,
        name="ofd-cifar10-wrn28_4-wrn16_2",
        teacher=teacher.name,
        teacher_mode="train",
        terms=METHODS["ofd"],
        paper=f"{MMRAZOR}; {OFD_PAPER}",
        published=(*DISTILLED, *STUDENT, *TEACHER),
    )
    kd = replace(
        AUTHORS,
        name="kd-cifar10-wrn28_4-wrn16_2",
        teacher=teacher.name,
        terms=METHODS["kd"],
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
            (replace(plain, name=f"{plain.name}-short"), 8),
            (ofd, 8),
            (replace(mmrazor(ofd), teacher=mmrazor(teacher).name), 8),
            (kd, 8),
        )
    }


SEED1_ROWS = (
    "plain-cifar10-wrn28_4",
    "plain-cifar10-wrn16_2",
    "kd-cifar10-wrn28_4-wrn16_2",
    "ofd-cifar10-wrn28_4-wrn16_2",
)
"""Teacher, student alone, and the two students distilled."""
LAPTOP_ROWS = (SEED1_ROWS[0], "plain-cifar10-wrn16_2-short", *SEED1_ROWS[2:])
"""The same at `laptop`, the student alone with the epochs of the distilled ones."""


RECIPES = _cifar10()
