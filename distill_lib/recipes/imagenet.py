"""ImageNet: Channel Distillation's table, the suite `seed2`, and OFD's two pairs.

At `laptop` the same rows run on Imagenette. The table's rows are called what its authors' earlier
page calls them: "ce", "cd", "kd" and "kdv2" (guided KD) are the terms, lrdv1 and lrdv2 the early
decay of their weights.
"""

from dataclasses import replace

from distill_lib.data.image_folders import ResizedCrop
from distill_lib.recipes.cifar import OFD_PAPER, smoke_of
from distill_lib.recipes.methods import METHODS
from distill_lib.recipes.recipe import Optim, Published, Recipe, published
from distill_lib.recipes.specs import AT, CD, CE, GKD, KD, OFD, RKD, Hint, TermSpec
from distill_lib.schedules import Decay

CD_PAPER = "Zhou et al., Channel Distillation, 2020, and its authors' earlier page"
CD_README = "CD authors' README"
LRDV2 = Decay("imagenet", "lrdv2")
FADING = Decay("imagenet", "lrdv2", factor=0.9)
"""Early decay teacher: CD alone for the first 30 epochs, its weight times 0.9 every 30."""
KD_NOT_PUBLISHED = "T and rate of KD are not published"

CD_SETTINGS = Recipe(
    name="",
    data="imagenet",
    student="resnet18",
    image_size=224,
    optim=Optim(
        lr=0.1,
        nesterov=False,
        weight_decay=1e-4,
        milestones=(30, 60, 90),
        milestones_of=100,
    ),
    batch_size=256,
    epochs=100,
    teacher_mode="train",
    paper=CD_PAPER,
)
TEACHER_EPOCHS, STUDENT_EPOCHS = 25, 8
IMAGENETTE = {
    "budget": "laptop",
    "data": "imagenette",
    "image_size": 64,
    "augment": ResizedCrop(scale=(0.35, 1.0)),
    "optim": Optim(lr=0.1, weight_decay=5e-4, schedule="one_cycle"),
    "batch_size": 64,
}
BASIC_BLOCKS, OTHERS_RATE = ("resnet18", "resnet34"), 0.025
"""At `laptop` these learn at 0.1; the others, whose loss rises at that, at a quarter of it."""

STUDENT_ALONE = published("student alone", 30.43, 10.76, "fb.resnet.torch")
TEACHER = published("teacher", 26.73, 8.74, CD_README)


def _terms(ce: Decay | None, cd: Decay | None, *more: TermSpec) -> tuple[TermSpec, ...]:
    return (CE(decay=ce), *more, CD(decay=cd))


def _both(top1: float, top5: float, second_top1: float, second_top5: float) -> tuple:
    return (published("row", top1, top5, "ZZD"), published("row", second_top1, second_top5, "ZGCR"))


PAIR = "s_resnet18.t_resnet34"
ROWS: dict[str, tuple[tuple[TermSpec, ...], tuple[Published, ...], str]] = {
    "ResNet18.at": (
        (CE(), AT()),
        (published("row", 29.30, 10.00, "attention-transfer"),),
        "the weight of AT is not on the CD authors' earlier page; 1000 as RepDistiller has it",
    ),
    f"{PAIR}.kd.ce": (
        METHODS["kd"],
        (published("row", 29.50, 9.52, "KD"),),
        f"{KD_NOT_PUBLISHED}; 0.1 CE + 0.9 KD at T = 4 as RepDistiller has them",
    ),
    f"{PAIR}.cd.ce": (_terms(None, None), (published("row", 28.38, 9.48, "Ours"),), ""),
    f"{PAIR}.cd.ce.lrdv1": (
        _terms(None, Decay("imagenet", "lrdv1", factor=0.9)),
        _both(28.36, 9.39, 28.34, 9.41),
        "",
    ),
    f"{PAIR}.cd.ce.lrdv2": (_terms(LRDV2, FADING), _both(28.09, 9.34, 28.00, 9.27), ""),
    f"{PAIR}.cd.kd.lrdv2": (
        _terms(LRDV2, FADING, KD(weight=1.0, temperature=1.0, decay=LRDV2)),
        (published("row", 27.99, 9.31, "Ours"),),
        f"{KD_NOT_PUBLISHED}; 1 and 1 as KDLossv2 on the CD authors' earlier page has them",
    ),
    f"{PAIR}.cd.kdv2.lrdv2": (
        _terms(LRDV2, FADING, GKD(weight=1.0, temperature=1.0, decay=LRDV2)),
        _both(27.73, 9.22, 27.68, 9.39),
        "",
    ),
    "hint-imagenet-resnet34-resnet18": (
        (CE(), Hint()),
        (published("FitNets", 29.34, 10.77, CD_README),),
        "the weight is not published; 100 as RepDistiller has it",
    ),
    "rkd-imagenet-resnet34-resnet18": (
        (CE(), RKD()),
        (published("RKD", 28.46, 9.74, CD_README),),
        "the weights are not published; 25 and 50 as RKD's paper has them",
    ),
}


def budgets(paper: Recipe, laptop_epochs: int, laptop_teacher: str | None = None) -> dict:
    """The same experiment on ImageNet, on Imagenette, and on a few embedded images."""
    rate = IMAGENETTE["optim"].lr if paper.student in BASIC_BLOCKS else OTHERS_RATE
    laptop = replace(
        paper,
        epochs=laptop_epochs,
        teacher=laptop_teacher,
        note=f"Imagenette, 10 classes, 64 pixels, {laptop_epochs} epochs; "
        f"one-cycle learning rate to {rate:g}" + (f"; {paper.note}" if paper.note else ""),
        **IMAGENETTE | {"optim": replace(IMAGENETTE["optim"], lr=rate)},
    )
    return {"smoke": smoke_of(paper), "laptop": laptop, "paper": paper}


def _teacher(network: str, top1_error: float, top5_error: float) -> Recipe:
    """A network alone, with the settings of the CD authors; at `laptop` a teacher of others."""
    return replace(
        CD_SETTINGS,
        name=f"plain-imagenet-{network}",
        student=network,
        teacher_mode="eval",
        paper="the papers take torchvision's weights of this network",
        published=(published("alone", top1_error, top5_error, "the papers' READMEs"),),
    )


def _seed2() -> dict[str, dict[str, Recipe]]:
    teacher = _teacher("resnet34", 26.73, 8.74)
    plain = replace(
        CD_SETTINGS,
        name="ResNet18-B",
        teacher_mode="eval",
        published=(STUDENT_ALONE,),
        note="the CD authors' earlier page quotes this number from fb.resnet.torch",
    )
    recipes = {
        teacher.name: budgets(teacher, TEACHER_EPOCHS),
        plain.name: budgets(plain, STUDENT_EPOCHS),
    }
    for name, (terms, numbers, note) in ROWS.items():
        row = replace(
            CD_SETTINGS,
            name=name,
            terms=terms,
            teacher="weights:ResNet34_Weights.IMAGENET1K_V1",
            published=(*numbers, STUDENT_ALONE, TEACHER),
            note=note,
        )
        recipes[name] = budgets(row, STUDENT_EPOCHS, teacher.name)
    return recipes


def _ofd() -> dict[str, dict[str, Recipe]]:
    settings = replace(
        CD_SETTINGS,
        # Drops at the start of epochs 30, 60 and 90, one before those of CD's authors.
        optim=replace(CD_SETTINGS.optim, nesterov=True, milestones=(29, 59, 89)),
        terms=(CE(), OFD(weight=1e-4)),
        paper=OFD_PAPER,
    )
    alone = {
        network: _teacher(network, *errors)
        for network, errors in {
            "resnet152": (21.69, 5.95),
            "resnet50": (23.72, 6.97),
            "mobilenet_v1": (31.13, 11.24),
        }.items()
    }
    recipes = {recipe.name: budgets(recipe, TEACHER_EPOCHS) for recipe in alone.values()}
    readme = "OFD authors' README"
    pairs = {
        ("resnet152", "resnet50"): (published("OFD", 21.65, 5.83, readme),),
        ("resnet50", "mobilenet_v1"): (
            published("OFD", 28.75, 9.66, readme),
            published("teacher", 23.84, 7.14, readme),
        ),
        ("resnet34", "resnet18"): (),
    }
    for (teacher, student), numbers in pairs.items():
        in_words = teacher.replace("resnet", "ResNet")
        row = replace(
            settings,
            name=f"ofd-imagenet-{teacher}-{student}",
            student=student,
            teacher=f"weights:{in_words}_Weights.IMAGENET1K_V1",
            published=(*numbers, *(alone[student].published if student in alone else ())),
            note="" if numbers else "not in the paper: the authors' code cannot run this pair",
        )
        recipes[row.name] = budgets(row, STUDENT_EPOCHS, f"plain-imagenet-{teacher}")
    return recipes


RECIPES = _seed2() | _ofd()
SEED2_ROWS = ("ResNet18-B", *(name for name in ROWS if "-imagenet-" not in name))
"""The eight rows of that table, in its order."""
