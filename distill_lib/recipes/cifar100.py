"""CIFAR-100: OFD's settings a to f, and CD's pair ResNet-152 to ResNet-50."""

from dataclasses import dataclass, replace

from distill_lib.models.pyramidnet import BASIC_TAPS, BOTTLENECK_TAPS
from distill_lib.recipes.cifar import AUTHORS, OFD_PAPER, budgets
from distill_lib.recipes.methods import METHODS
from distill_lib.recipes.recipe import Optim, Recipe, published
from distill_lib.recipes.specs import CE, OFD, TermSpec

AUTHORS_README = "OFD authors' README"
CD_README = "CD authors' README"
TEACHER_EPOCHS, STUDENT_EPOCHS = 12, 8
PYRAMID_TEACHER, PYRAMID_STUDENT = "pyramidnet_200_240_bottleneck", "pyramidnet_110_84"
TEACHER_ERRORS = {"wrn_28_4": 21.09, PYRAMID_TEACHER: 15.6}


@dataclass(frozen=True)
class Setting:
    """A row of OFD's table on CIFAR-100, errors in per cent."""

    letter: str
    teacher: str
    student: str
    alone: float
    distilled: float
    terms: tuple[TermSpec, ...] = METHODS["ofd"]


def _names(taps) -> tuple[str, ...]:
    """Taps as a recipe names them."""
    return tuple(f"{tap.relu}:{tap.position}" for tap in taps)


FROM_PYRAMID = OFD(weight=1e-3, teacher_taps=_names(BOTTLENECK_TAPS))
WRN_TAPS = ("block2.layer.0.relu1", "block3.layer.0.relu1", "relu")
SETTINGS = (
    Setting("a", "wrn_28_4", "wrn_16_4", 22.72, 20.89),
    Setting("b", "wrn_28_4", "wrn_28_2", 24.88, 21.98),
    Setting("c", "wrn_28_4", "wrn_16_2", 27.32, 24.08),
    Setting("d", "wrn_28_4", "resnet56_cifar", 27.68, 24.44),
    Setting(
        "e",
        PYRAMID_TEACHER,
        "wrn_28_4",
        21.09,
        17.80,
        (CE(), replace(FROM_PYRAMID, student_taps=WRN_TAPS)),
    ),
    Setting(
        "f",
        PYRAMID_TEACHER,
        PYRAMID_STUDENT,
        22.58,
        18.89,
        (CE(), replace(FROM_PYRAMID, student_taps=_names(BASIC_TAPS))),
    ),
)
SHORT = {
    PYRAMID_TEACHER: "pyramid200",
    PYRAMID_STUDENT: "pyramid110",
    "resnet56_cifar": "resnet56",
}


def _short(network: str) -> str:
    """How a recipe's name calls a network: wrn28_4, pyramid200."""
    return SHORT.get(network, network.replace("wrn_", "wrn"))


def _alone(network: str, error: float, what: str, note: str, batch_size: int = 128) -> Recipe:
    return replace(
        AUTHORS,
        name=f"plain-cifar100-{_short(network)}",
        data="cifar100",
        student=network,
        batch_size=batch_size,
        paper=OFD_PAPER,
        note=note,
        published=(published(what, error, None, AUTHORS_README),),
    )


def _ofd() -> dict[str, dict[str, Recipe]]:
    teachers = (
        _alone("wrn_28_4", TEACHER_ERRORS["wrn_28_4"], "teacher", "the teacher of a to d"),
        _alone(
            PYRAMID_TEACHER,
            TEACHER_ERRORS[PYRAMID_TEACHER],
            "teacher",
            "the teacher of e and f; the authors trained theirs with mixup",
            batch_size=64,
        ),
    )
    recipes = {recipe.name: budgets(recipe, TEACHER_EPOCHS) for recipe in teachers}
    for setting in SETTINGS:
        batch_size = 64 if setting.teacher == PYRAMID_TEACHER else 128
        plain = _alone(
            setting.student,
            setting.alone,
            "student alone",
            f"the student of setting {setting.letter} alone",
            batch_size,
        )
        teacher_error = TEACHER_ERRORS[setting.teacher]
        ofd = replace(
            plain,
            name=f"ofd-cifar100-{setting.letter}-{_short(setting.teacher)}-{_short(setting.student)}",
            teacher=f"plain-cifar100-{_short(setting.teacher)}",
            teacher_mode="train",
            terms=setting.terms,
            paper=f"{OFD_PAPER}, CIFAR-100 setting {setting.letter}",
            note="",
            published=(
                published("OFD", setting.distilled, None, AUTHORS_README),
                *plain.published,
                published("teacher", teacher_error, None, AUTHORS_README),
            ),
        )
        for recipe in (plain, ofd):  # the student of e is the teacher of a to d, and stays that
            recipes.setdefault(recipe.name, budgets(recipe, STUDENT_EPOCHS))
    return recipes


CD_ROWS: dict[str, tuple[tuple[float, float], str]] = {
    "kd": ((20.36, 4.94), "T and rate of KD are not published; as RepDistiller has them"),
    "cd": ((20.08, 4.78), ""),
    "cd_gkd": ((19.49, 4.85), ""),
    "cd_gkd_edt": ((18.63, 4.29), ""),
}
"""Method -> published top-1 and top-5 error, note; the terms are those of `METHODS`."""


def _cd() -> dict[str, dict[str, Recipe]]:
    settings = replace(
        AUTHORS,
        data="cifar100",
        optim=Optim(nesterov=False, milestones=(60, 120, 160), gamma=0.2),
        paper="Zhou et al., Channel Distillation, 2020, CIFAR-100",
        note="",
    )

    alone = {"resnet152": (19.09, 4.45), "resnet50": (22.02, 5.74)}
    teacher, student = (
        replace(
            settings,
            name=f"plain-cifar100-{network}",
            student=f"{network}_stem3x3",
            published=(published("alone", *errors, CD_README),),
        )
        for network, errors in alone.items()
    )
    rows = [
        replace(
            settings,
            name=f"{method}-cifar100-resnet152-resnet50",
            student=student.student,
            teacher=teacher.name,
            teacher_mode="train",
            terms=METHODS[method],
            note=note,
            published=(
                published("row", *errors, CD_README),
                published("student alone", *alone["resnet50"], CD_README),
                published("teacher", *alone["resnet152"], CD_README),
            ),
        )
        for method, (errors, note) in CD_ROWS.items()
    ]
    return {
        teacher.name: budgets(teacher, TEACHER_EPOCHS),
        **{recipe.name: budgets(recipe, STUDENT_EPOCHS) for recipe in (student, *rows)},
    }


RECIPES = _ofd() | _cd()
