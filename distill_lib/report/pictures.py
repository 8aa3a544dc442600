"""What two students say of the same test images: the truth, the plain one, the distilled one.

Drawn where weights and data are at hand, so beside `report.png` and never into results/:
records hold no weights, and the images are not ours to publish.
"""

from collections.abc import Sequence
from itertools import islice

import torch
from torch import nn

from distill_lib.data import ImageData
from distill_lib.data.batching import Batch
from distill_lib.recipes import recipe_from_dict
from distill_lib.records import RunRecord
from distill_lib.report.groups import group_by_seed, plain_of

SHOWN = 4
"""Test images, the first of each quarter: neighbours are often frames of one film."""


def pairs_to_picture(records: Sequence[RunRecord]) -> list[tuple[RunRecord, RunRecord]]:
    """(plain, distilled) runs of one seed, of tasks that a picture can show, both with weights."""
    groups = group_by_seed([run for run in records if "last.safetensors" in run.weights])
    pairs = []
    for group in groups:
        plain = plain_of(group, groups)
        if plain is None or group[0].task.name == "classification":
            continue
        theirs = {run.recipe["seed"]: run for run in plain}
        both = [(theirs[s], run) for run in group if (s := run.recipe["seed"]) in theirs]
        pairs += both[:1]
    return pairs


def predictions_figure(plain: RunRecord, distilled: RunRecord):
    """A row for each of a few test images: image, truth, plain, distilled; (figure, axes).

    Raises:
        DataError: the data set is not on this machine.
        CheckpointError: weights are missing or damaged.
    """
    import matplotlib.pyplot as plt

    from distill_lib import plots
    from distill_lib.plots.scenes import LEAST_SCORE
    from distill_lib.training.build import load_recipe_data
    from distill_lib.training.trained_networks import load_student

    plots.use_style()
    data = load_recipe_data(recipe_from_dict(distilled.recipe))
    batches = []
    for part in range(SHOWN):
        batches += islice(data.test_batches(batch_size=1, rank=part, world_size=SHOWN), 1)
    masks = data.task == "segmentation"
    columns = {"truth": [b.labels[0] for b in batches]}
    for title, run in (("alone", plain), ("distilled", distilled)):
        student = load_student(run)
        columns[title] = [_answer(student, batch, masks) for batch in batches]
    figure, axes = plt.subplots(
        len(batches), 1 + len(columns), figsize=(9, 2.1 * len(batches)), squeeze=False
    )
    ground = data.classes[0] if masks and data.classes[0] == "ground" else None
    plots.prediction_grid(
        axes,
        [plots.picture(batch.images[0], data.augment) for batch in batches],
        columns,
        lambda ax, pixels, said: _draw(ax, pixels, said, data, ground),
    )
    if masks:
        plots.class_legend(figure, data.classes, ground=ground)
    else:
        shown = "of each student its surest boxes, as many as there are true ones"
        figure.supxlabel(f"{shown}; thin: below {LEAST_SCORE:.0%}", fontsize=9)
    return figure, axes


@torch.inference_mode()
def _answer(model: nn.Module, batch: Batch, masks: bool):
    outputs = model(batch.images)
    if masks:
        return outputs[0].argmax(0)
    found = model.detect(outputs)[0]  # by falling score
    return {name: values[: len(batch.labels[0]["boxes"])] for name, values in found.items()}


def _draw(ax, pixels, said, data: ImageData, ground: str | None) -> None:
    from distill_lib import plots

    if data.task == "segmentation":
        plots.show_mask(ax, said, data.classes, ground=ground)
    else:
        plots.show_picture(ax, pixels)
        plots.show_boxes(ax, said, data.classes)
