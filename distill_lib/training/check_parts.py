"""Whether data, networks and terms fit together: found by dry runs, before anything is trained."""

import copy

import torch
from torch import Tensor

from distill_lib.data import ImageData
from distill_lib.distiller import Distiller
from distill_lib.errors import DistillError
from distill_lib.modes import evaluation_mode
from distill_lib.recipes import Recipe
from distill_lib.recipes.specs import WITH_LABELS
from distill_lib.terms import FeatureTerm
from distill_lib.training import distributed

EXAMPLES = {
    "classification": "wrn_10_1",
    "segmentation": "deeplabv3plus/resnet18",
    "detection": "ssd/resnet18",
}
"""Task -> a network for it."""


def check_parts(distiller: Distiller, data: ImageData, recipe: Recipe) -> None:
    """Refuse parts that would fail in a step of the training.

    Raises:
        DistillError: networks or terms are for another task than the data set, or count other
            classes; a batch is too small; or the loss of two images cannot be computed.
    """
    for term in distiller.terms:
        if term.task not in (None, data.task):
            fits = WITH_LABELS[data.task].__name__
            raise DistillError(
                f"the term {term.name} is for {term.task}, data set {data.name!r} is for "
                f"{data.task}.\n  What compares with its labels is {fits}."
            )
    for role, (task, classes) in distiller.answers.items():
        network = f"{role} {type(getattr(distiller, role)).__name__}"
        _check_network(network, task, classes, data)
    _check_last_batch(distiller, data, recipe)
    _check_loss(distiller, data, recipe.image_size)


def _check_network(network: str, task: str, classes: int, data: ImageData) -> None:
    if task != data.task:
        raise DistillError(
            f"{network} is a network for {task}, data set {data.name!r} is for "
            f"{data.task}.\n  Take one for {data.task}, such as {EXAMPLES[data.task]}."
        )
    if classes != data.num_classes:
        raise DistillError(
            f"{network} gives {classes} classes, data set {data.name!r} has "
            f"{data.num_classes}.\n  Build it with num_classes={data.num_classes}."
        )


def _check_last_batch(distiller: Distiller, data: ImageData, recipe: Recipe) -> None:
    """Refuse a batch of one image where a batch norm has one value of it for each channel."""
    processes = distributed.world_size()

    def smallest_share(batch_size: int) -> int:
        return (data.num_train % batch_size or batch_size) // processes

    if smallest_share(recipe.batch_size) > 1:
        return
    trial = copy.deepcopy(distiller).train()
    image = torch.zeros(1, 3, recipe.image_size, recipe.image_size, device=data.device)
    try:
        with torch.random.fork_rng():
            teacher, student = trial.run_teacher(image), trial.run_student(image)
            for term in trial.terms:
                if isinstance(term, FeatureTerm):
                    term.features(student, teacher)
    except ValueError as error:
        sizes = range(max(recipe.batch_size - 1, 2), data.num_train + 1)
        fits = [size for size in sizes if smallest_share(size) > 1]
        advice = f"Choose another size: --batch-size {fits[0]}." if fits else "Take more images."
        raise DistillError(
            f"{data.num_train:,} training images in batches of {recipe.batch_size} leave a batch "
            f"of one, of which a batch norm has no statistics: {error}\n"
            f"  {advice}"
        ) from error


def _check_loss(distiller: Distiller, data: ImageData, image_size: int) -> None:
    """Compute the loss of two black images, which moves nothing."""
    images = torch.zeros(2, 3, image_size, image_size, device=data.device)
    try:
        with torch.no_grad(), evaluation_mode(distiller, distiller.teacher):
            distiller(images, _some_labels(data, image_size))
    except DistillError:
        raise
    except Exception as error:
        names = ", ".join(term.name for term in distiller.terms)
        raise DistillError(
            f"the loss of {names} cannot be computed on images of {data.name!r}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _some_labels(data: ImageData, image_size: int) -> Tensor | list[dict[str, Tensor]]:
    """Labels of two images, as a batch of the data set has them."""
    if data.task == "detection":
        half = torch.tensor([[0.0, 0.0, image_size / 2, image_size / 2]], device=data.device)
        first = torch.ones(1, dtype=torch.int64, device=data.device)
        return [{"boxes": half, "labels": first}] * 2
    shape = (2, image_size, image_size) if data.task == "segmentation" else (2,)
    return torch.zeros(shape, dtype=torch.int64, device=data.device)
