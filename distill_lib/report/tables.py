"""The project's evidence: which tables there are, and which runs each of them wants."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from distill_lib.recipes import SUITES, Budget, Recipe, fashion, get_recipe, what_differs
from distill_lib.recipes.cifar_small import TEACHER as SMALL_TEACHER
from distill_lib.report.figures import (
    CKA_FIGURE,
    COST_FIGURE,
    DOT_FIGURE,
    GAIN_FIGURE,
    LABEL_FIGURE,
    Figure,
)


@dataclass(frozen=True)
class Table:
    """A table of RESULTS.md.

    Attributes:
        name: a suite, where there is one; what its figures' files begin with.
        title: its heading.
        sentence: what it is there to show, and what differs from where the idea was published.
        recipes: its rows, a teacher before its students; those of the suite come after.
        budget: of every row.
        seeds: how many runs a row is to have; teachers and pretrained starts have one.
        figures: what is drawn of it.
        base: the recipe that the other rows with a teacher change something of.
    """

    name: str
    title: str
    sentence: str
    recipes: tuple[str, ...] = ()
    budget: Budget = "laptop"
    seeds: int = 1
    figures: tuple[Figure, ...] = ()
    base: str | None = None

    def planned(self) -> Iterator[tuple[Recipe, range]]:
        """Each row's recipe and the seeds it is to be run with."""
        recipes = [get_recipe(name, self.budget) for name in self.recipes]
        started_from = {r.teacher for r in recipes} | {r.pretrained for r in recipes}
        for recipe in recipes:
            yield recipe, range(1 if recipe.name in started_from else self.seeds)

    def change(self, recipe: Recipe) -> str | None:
        """What a row has that the base has not: `distance l1`."""
        if self.base is None or recipe.teacher is None:
            return None
        changes = what_differs(get_recipe(self.base, self.budget), recipe)
        return ", ".join(f"{key.split('.')[-1]} {value}" for key, _, value in changes) or "none"


SHORT_OFD = "ofd-cifar10-wrn16_2-wrn10_1-short"
SEED1 = SUITES["seed1"]


TABLES = tuple(
    replace(table, recipes=tuple(dict.fromkeys((*table.recipes, *SUITES.get(table.name, ())))))
    for table in (
        Table(
            "small-pair",
            "CIFAR-10, the small pair",
            "Every method once, WRN-16-2 to WRN-10-1, a pair that no paper has: all rows share "
            "teacher, optimiser and epochs and differ in their terms, and in the machines that the "
            "last columns name. Rows whose interval held zero after three seeds have two more, and "
            "so has the student alone: planned beforehand, and yet a second look, after which 95 % "
            "says a little too much.",
            (SMALL_TEACHER,),
            seeds=3,
            figures=(DOT_FIGURE, GAIN_FIGURE, COST_FIGURE, CKA_FIGURE),
        ),
        Table(
            "ofd-design",
            "OFD's design table",
            "The overhaul loss on the small pair with one choice changed at a time, in half of its "
            "epochs. The paper compares its choices on other pairs, so none of its numbers stands "
            "beside these. The row whose interval held zero after three seeds, L1, has two more.",
            seeds=3,
            figures=(DOT_FIGURE,),
            base=SHORT_OFD,
        ),
        Table(
            "ofd-weight",
            "The weight of OFD",
            "OFD's weight of 1/1000 times the factor that the row names; at 0 it would be the "
            "plain student.",
            figures=(DOT_FIGURE,),
            base=SHORT_OFD,
        ),
        Table(
            "cd-variants",
            "Channel Distillation's variants",
            "CD with and without connectors and decay. Without connectors the channels must agree, "
            "so the student is a WRN-10-2, as wide as the teacher.",
            base="cd-cifar10-wrn16_2-wrn10_2-short",
        ),
        Table(
            "scarce-labels",
            "Scarce labels",
            "The small pair's student on all, a tenth and a hundredth of CIFAR-10's training "
            "images, with their labels, in as many steps; the rest is not shown at all. Its "
            "teacher saw everything.",
            figures=(LABEL_FIGURE,),
        ),
        Table(
            "seed1-paper",
            "OFD's pair on CIFAR-10, the papers' 200 epochs",
            "WRN-28-4 to WRN-16-2; published are MMRazor's first record and its later one.",
            SEED1,
            budget="paper",
            seeds=3,
        ),
        Table(
            "seed1-laptop",
            "OFD's pair on CIFAR-10, a few epochs",
            "The same pair at what a CPU can pay; the published numbers are of 200 epochs.",
            seeds=3,
        ),
        Table(
            "seed2",
            "Channel Distillation's table, on Imagenette",
            "The rows of the ImageNet table, ResNet-34 to ResNet-18, called what its authors call "
            "them. Imagenette has 10 classes for ImageNet's 1,000 and 9,469 images; ours are 64 "
            "pixels for 224, 8 epochs for 100, and the teacher was trained here. The published "
            "numbers are ImageNet's: they stand beside ours and are no target of them.",
        ),
        Table(
            "camvid",
            "Segmentation on CamVid",
            "DeepLabV3+ with and without OFD. The published numbers are of Pascal VOC, with "
            "encoders from ImageNet and a ResNet-101 for a teacher: they stand beside ours and are "
            "no target of them.",
            seeds=2,
        ),
        Table(
            "shapes",
            "Segmentation of drawn shapes",
            "DeepLabV3+ with and without OFD on images that the project draws, 240 to train on "
            "and 80 to test on, without a pretrained encoder: everybody can run it.",
            seeds=5,
        ),
        Table(
            "bccd",
            "Detection on BCCD",
            "SSD with and without OFD. mAP@0.5 is COCO's, of 101 recalls, where Pascal VOC's has "
            "11. OFD's paper has such a table for Pascal VOC, of an SSD and settings that its "
            "authors did not publish; none of its numbers stands beside these.",
            seeds=2,
        ),
        Table(
            "shapes-boxes",
            "Detection of drawn shapes",
            "SSD with and without OFD on images that the project draws, 240 to train on and 80 to "
            "test on, without a pretrained backbone: everybody can run it.",
            seeds=5,
        ),
        Table(
            "fashion",
            "The demo's pair",
            "What `python -m distill_lib demo` trains, on 10,000 embedded Fashion-MNIST images.",
            (fashion.TEACHER.name, *(student.name for student in fashion.STUDENTS)),
            seeds=5,
        ),
    )
)
"""The tables of RESULTS.md, in its order."""
