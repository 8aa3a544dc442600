"""A recipe for two networks that no paper has together."""

import re
from dataclasses import replace

from distill_lib.data.registry import dataset_info
from distill_lib.errors import DistillError, unknown_name
from distill_lib.recipes.recipe import Budget, Optim, Recipe
from distill_lib.recipes.specs import OFD, SPECS, WITH_LABELS, Spec

EPOCHS: dict[Budget, int] = {"smoke": 1, "laptop": 8, "paper": 100}
LARGE = 64
"""Pixels above which OFD's weight is the authors' for ImageNet."""


def own_pair(
    teacher: str,
    student: str,
    data: str,
    terms: str,
    budget: Budget,
    image_size: int | None = None,
) -> Recipe:
    """The recipe of any teacher and any student; each field can be replaced.

    Args:
        teacher: what `Recipe.teacher` may be: a run's folder, a recipe, weights:<enum>, a file.
        student: a network of `build_model`.
        data: a data set of `load_data`.
        terms: names with commas, such as "ofd" or "cd,gkd"; the task's own loss with the labels,
            such as cross entropy, is added.
        budget: says the number of epochs.
        image_size: pixels, of which OFD's weight follows; the data set's own if not given.
    Raises:
        DistillError: a name is unknown.
    """
    info = dataset_info("imagenet" if data.startswith("folder:") else data)
    image_size = image_size or info.image_size
    label = re.sub(r"[^\w.-]+", "_", teacher.removeprefix("runs/")).strip("_")
    network = student.split("/")[-1]
    small = budget == "smoke"
    return Recipe(
        name=f"{terms.replace(',', '_')}-{data.split(':')[0]}-{label}-{network}",
        data=data,
        student=student,
        teacher=teacher,
        terms=_terms(terms, WITH_LABELS[info.task], image_size),
        image_size=image_size,
        optim=Optim(lr=0.1, weight_decay=5e-4, schedule="one_cycle"),
        batch_size=64,
        epochs=EPOCHS[budget],
        budget=budget,
        train_limit=500 if small else None,
        paper="no paper: a pair of your own",
    )


def _terms(names: str, with_labels: type[Spec], image_size: int) -> tuple[Spec, ...]:
    specs = [with_labels()]
    for name in filter(None, (name.strip() for name in names.split(","))):
        if name not in SPECS:
            raise unknown_name("term", name, SPECS)
        if name != with_labels.term.name:
            specs.append(SPECS[name]())
    if len({spec.term.name for spec in specs}) != len(specs):
        raise DistillError(f"--terms {names} names a term twice.")
    if image_size > LARGE:
        specs = [replace(spec, weight=1e-4) if isinstance(spec, OFD) else spec for spec in specs]
    return tuple(specs)
