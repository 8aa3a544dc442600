"""What each design choice buys: variants of OFD and CD, one factor at a time.

No paper has these pairs; the rows of OFD's table are the choices of the paper's section 3. `-short`
is four epochs at `laptop`, half of the small pair's; at `paper` there are 200 as everywhere.
"""

from dataclasses import replace

from distill_lib.recipes.cifar import budgets
from distill_lib.recipes.cifar_small import PLAIN, TEACHER
from distill_lib.recipes.recipe import Recipe
from distill_lib.recipes.specs import CD, CE, OFD, TermSpec
from distill_lib.schedules import Decay

EPOCHS = 4
DESIGN: dict[str, OFD] = {
    "ofd": OFD(),
    "ofd_relu": OFD(teacher_transform="relu"),
    "ofd_raw": OFD(teacher_transform="none"),
    "ofd_exact": OFD(tail="exact"),
    "ofd_conv": OFD(student_transform="conv"),
    "ofd_post": OFD(position="post", teacher_transform="none"),
    "ofd_last": OFD(stages="last"),
    "ofd_l2": OFD(distance="l2"),
    "ofd_l1": OFD(distance="l1"),
}
"""Method -> the one choice that is not OFD's (after the ReLU there is no transform to choose).

Where no batch norm of the teacher has b/|w| above 3.09, `ofd_exact` has the margins of `ofd`.
"""
TRAIN_MODE = "ofd_train"
"""OFD whose teacher is in train mode, as the authors have it."""
WEIGHTS = {f"ofd_x{factor}": OFD(weight=factor * OFD().weight) for factor in (0.01, 0.1, 10)}
"""OFD at multiples of its weight; at x1 it is `ofd`, at x0 the plain student."""
DECAY = Decay("cifar", "lrdv2", factor=0.9)
CHANNEL: dict[str, CD] = {
    "cd": CD(),
    "cd_bare": CD(connectors=False),
    "cd_decay": CD(decay=DECAY),
    "cd_bare_decay": CD(connectors=False, decay=DECAY),
}
"""Method -> CD with and without connectors and decay; the cross entropy counts from the start."""


def _plain(width: int) -> Recipe:
    return replace(PLAIN, name=f"plain-cifar10-wrn10_{width}-short", student=f"wrn_10_{width}")


def _distilled(method: str, term: TermSpec, width: int) -> Recipe:
    return replace(
        _plain(width),
        name=f"{method}-cifar10-wrn16_2-wrn10_{width}-short",
        teacher=TEACHER,
        teacher_mode="train" if method == TRAIN_MODE else "eval",
        terms=(CE(), term),
    )


def _short(recipe: Recipe) -> dict[str, Recipe]:
    found = budgets(recipe, EPOCHS)
    # The embedded teacher is a WRN-16-2 as well: at smoke too the widths agree where they must.
    return found | {"smoke": replace(found["smoke"], student=recipe.student)}


_OFD = {m: _distilled(m, term, width=1) for m, term in (DESIGN | WEIGHTS).items()}
_OFD[TRAIN_MODE] = _distilled(TRAIN_MODE, OFD(), width=1)
# Without connectors the widths must agree: the student is WRN-10-2, as wide as the teacher.
_CD = [_distilled(m, term, width=2) for m, term in CHANNEL.items()]

SUITES = {
    "ofd-design": (_plain(1).name, *(_OFD[m].name for m in (*DESIGN, TRAIN_MODE))),
    "ofd-weight": (
        _plain(1).name,
        *(_OFD[m].name for m in ("ofd_x0.01", "ofd_x0.1", "ofd", "ofd_x10")),
    ),
    "cd-variants": (_plain(2).name, *(recipe.name for recipe in _CD)),
}
"""The two tables and the sweep: their recipes in order."""
RECIPES = {recipe.name: _short(recipe) for recipe in (_plain(1), *_OFD.values(), _plain(2), *_CD)}
