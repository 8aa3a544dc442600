"""Detection with SSD: OFD from ResNet-50 to ResNet-18 on Pascal VOC, BCCD, and drawn shapes.

OFD is told to compare the six feature maps that the heads read, before their last ReLU. The paper
has a table of this, and its authors published neither code nor settings for it: stages keep the
divisors that they have in classification, the extra layers have 1, as ASPP has in segmentation,
and the teacher is in train mode, as in segmentation too (notebook 13 shows what eval mode does).
"""

from dataclasses import replace

from distill_lib.recipes.methods import at_a_tenth
from distill_lib.recipes.recipe import Optim, Recipe
from distill_lib.recipes.segmentation import (
    BLOCKS,
    IMAGENET,
    IMAGENETTE,
    SHAPES_EPOCHS,
    SHAPES_TEACHER_EPOCHS,
    SMOKE_IMAGES,
    SMOKE_NOTE,
)
from distill_lib.recipes.specs import OFD, MultiBox

STAGES = (2, 3, 4)
EXTRAS = 3
DIVISORS = (4.0, 2.0, 1.0, 1.0, 1.0, 1.0)
WEIGHT, SMALL_WEIGHT = 1e-5, 1e-4
"""Of images of 300 pixels, as the OFD authors' rule for detection has it, and of smaller ones."""


def taps(resnet: str) -> tuple[str, ...]:
    """The six taps of an SSD with this backbone, finest map first."""
    stages = [f"backbone.resnet.layer{i}.{BLOCKS[resnet][i - 1] - 1}.relu:pre" for i in STAGES]
    return (*stages, *(f"backbone.extras.{i}.5:pre" for i in range(EXTRAS)))


VOC = Recipe(
    name="",
    data="voc07+12",
    student="",
    terms=(MultiBox(),),
    image_size=300,
    optim=Optim(
        lr=1e-3,
        nesterov=False,
        weight_decay=5e-4,
        milestones=(155, 193),
        milestones_of=232,
    ),
    batch_size=32,
    epochs=232,
    paper="Heo et al., ICCV 2019, has such a table, with an SSD of its own",
    note="the SSD authors' 120,000 steps of 32 images; OFD's own settings are not published",
)
BCCD = replace(
    VOC,
    data="bccd",
    paper="no paper: OFD's detection on a small set",
    note="BCCD, 3 kinds of blood cells; mAP over 101 recalls",
)
SHAPES = replace(
    BCCD,
    data="shapes-boxes",
    image_size=64,
    optim=replace(BCCD.optim, lr=0.01, schedule="one_cycle"),
    batch_size=8,
    epochs=60,
    paper="no paper: shapes that this project draws",
    note="drawn shapes, no pretrained backbone",
)
LAPTOP = {
    "budget": "laptop",
    "image_size": 160,
    "batch_size": 8,
    "optim": replace(VOC.optim, lr=0.01, schedule="one_cycle"),
}
TEACHER_HEAD = (("student.head", 0.1),)
"""A tenth of the rate: its inputs are four times as many as a ResNet-18's, and larger; at 0.01 the
loss explodes in the first epochs."""
LAPTOP_EPOCHS, VOC_LAPTOP_EPOCHS, SMOKE_EPOCHS = 30, 2, 1
SMOKE_TEACHER = "resnet34"


def _ofd(recipe: Recipe, teacher: str, student: str, weight: float) -> Recipe:
    term = OFD(
        weight=weight, divisors=DIVISORS, teacher_taps=taps(teacher), student_taps=taps(student)
    )
    return replace(recipe, terms=(MultiBox(), term))


def _smoke(recipe: Recipe, teacher: str | None, network: str) -> Recipe:
    # A teacher of whatever depth is a ResNet-34 here, and the students are what they are.
    network = network if network == "resnet18" else SMOKE_TEACHER
    smoke = replace(
        SHAPES,
        name=recipe.name,
        budget="smoke",
        student=f"ssd/{network}",
        epochs=SMOKE_EPOCHS,
        train_limit=SMOKE_IMAGES,
        paper=recipe.paper,
        note=SMOKE_NOTE,
    )
    if teacher is None:
        return smoke
    smoke = replace(
        smoke, teacher=f"plain-shapes-boxes-{SMOKE_TEACHER}", teacher_mode=recipe.teacher_mode
    )
    return _ofd(smoke, SMOKE_TEACHER, network, SMALL_WEIGHT)


def _family(settings: Recipe, word: str, teacher: str, student: str = "resnet18") -> dict:
    """Teacher, student alone and student with OFD, each at the three budgets."""
    recipes = {}
    is_drawn = settings.data == SHAPES.data
    for of, network in ((None, teacher), (None, student), (teacher, student)):
        paper = replace(
            settings,
            name=f"plain-{word}-{network}",
            student=f"ssd/{network}",
            pretrained=None if is_drawn else IMAGENET[network],
        )
        if of is not None:
            paper = replace(
                _ofd(paper, of, network, SMALL_WEIGHT if is_drawn else WEIGHT),
                name=f"ofd-{word}-{of}-{network}",
                teacher=f"plain-{word}-{of}",
                teacher_mode="train",
            )
        if is_drawn:
            epochs = SHAPES_TEACHER_EPOCHS if network == teacher else SHAPES_EPOCHS
            laptop = replace(paper, budget="laptop", epochs=epochs)
        else:
            epochs = VOC_LAPTOP_EPOCHS if settings.data == VOC.data else LAPTOP_EPOCHS
            laptop = replace(paper, epochs=epochs, pretrained=IMAGENETTE[network], **LAPTOP)
            if network == teacher:
                laptop = replace(laptop, optim=replace(laptop.optim, lr_factors=TEACHER_HEAD))
            laptop = replace(
                laptop if of is None else _ofd(laptop, of, network, SMALL_WEIGHT),
                note=f"{epochs} epochs, {LAPTOP['image_size']} pixels, one-cycle learning rate to "
                f"{laptop.optim.lr:g}, backbone from Imagenette; {paper.note}",
            )
        recipes[paper.name] = {
            "smoke": _smoke(paper, of, network),
            "laptop": laptop,
            "paper": paper,
        }
    return recipes


RECIPES = (
    _family(SHAPES, "shapes-boxes", SMOKE_TEACHER)
    | _family(BCCD, "bccd", "resnet50")
    | _family(VOC, "voc0712", "resnet50")
)
RECIPES |= at_a_tenth(RECIPES["ofd-bccd-resnet50-resnet18"])
RECIPES |= at_a_tenth(RECIPES["ofd-shapes-boxes-resnet34-resnet18"])
SUITE = tuple(name for name in RECIPES if "-bccd-" in name)
SHAPES_SUITE = tuple(name for name in RECIPES if "-shapes-boxes-" in name)
"""BCCD's rows, and those of the drawn shapes, the teacher before its students."""
