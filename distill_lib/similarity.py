"""How alike two networks' features are, whatever their widths: centred kernel alignment.

Linear CKA: Kornblith et al., Similarity of Neural Network Representations Revisited, ICML 2019,
section 3. It is 1 for features that are equal up to rotation and scale, and the unbiased estimate
of HSIC (Nguyen et al., ICLR 2021, equation 3) makes it 0 on average for independent ones, however
many channels they have. Explained in notebooks/14_what_transfers.ipynb.
"""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from distill_lib.data import ImageData
from distill_lib.errors import DistillError
from distill_lib.files import write_json
from distill_lib.modes import evaluation_mode
from distill_lib.number_formats import as_float64
from distill_lib.recipes import recipe_from_dict
from distill_lib.records import RunRecord
from distill_lib.tables import markdown_table
from distill_lib.taps import Tap, find_taps, reading

FILE = "cka.json"
"""What a run's folder holds of it."""


def linear_cka(x: Tensor, y: Tensor) -> Tensor:
    """Similarity of two sets of features of the same samples.

    Args:
        x, y: (N, ...), N >= 4; all but the first dimension are flattened.
    Returns:
        a scalar, at most 1, and 0 where either is the same for all samples; computed `as_float64`.
    Raises:
        DistillError: the numbers of samples differ, or there are fewer than four.
    """
    if len(x) != len(y) or len(x) < 4:
        raise DistillError(
            f"features of {len(x)} and {len(y)} samples: expected as many in both, at least 4."
        )
    return _cka(_gram(x), _gram(y))


def _gram(x: Tensor) -> Tensor:
    """Inner products of all pairs of samples, (N, N), of a sample with itself zero."""
    flat = as_float64(x).flatten(1)
    flat = flat - flat.mean(0)  # HSIC takes any offset out, but a large one has cost digits by then
    return (flat @ flat.T).fill_diagonal_(0)


def _cka(k: Tensor, m: Tensor) -> Tensor:
    scale = _hsic(k, k) * _hsic(m, m)
    return torch.where(scale > 0, _hsic(k, m) / scale.clamp_min(0).sqrt(), 0.0)


def _hsic(k: Tensor, m: Tensor) -> Tensor:
    n = len(k)
    means = k.sum() * m.sum() / ((n - 1) * (n - 2))
    return ((k * m).sum() + means - 2 / (n - 2) * (k.sum(0) @ m.sum(0))) / (n * (n - 3))


@torch.no_grad()
def cka_matrix(
    first: nn.Module, second: nn.Module, data: ImageData, images: int = 1000
) -> tuple[Tensor, list[Tap], list[Tap]]:
    """CKA of every stage of one network with every stage of another, on the first test images.

    Args:
        first, second: classifiers on the device of `data`; left in the mode they were in.
        images: how many test images.
    Returns:
        the matrix (taps of first, taps of second), and the two lists of taps: after the ReLU at
        the end of each stage, as `find_taps` finds them.
    """
    grams, taps = [], []
    batch = next(iter(data.test_batches(batch_size=images)))
    for model in (first, second):
        found = find_taps(model, data.image_size, "post")
        with evaluation_mode(model), reading(model, found) as reader:
            model(batch.images)
            features = reader.take()
        grams.append([_gram(features[tap]) for tap in found])
        taps.append(found)
    return torch.stack([torch.stack([_cka(k, m) for m in grams[1]]) for k in grams[0]]), *taps


def compare_runs(run: RunRecord, teacher: str | None = None, device: str = "auto") -> str:
    """Measure the CKA of a run's student and a teacher, and show it.

    It is kept in the run's folder, unless the run has another teacher of its own.

    Args:
        run: finished, with weights.
        teacher: a recipe with a finished run, or a run's folder; the run's own if not given.
        device: as `fit` has it.
    Raises:
        DistillError: there is no such teacher, or the run's own has other weights now.
    """
    from distill_lib.training.build import load_recipe_data
    from distill_lib.training.precision import choose_device
    from distill_lib.training.trained_networks import check_teacher, load_student, trained_network

    recipe = recipe_from_dict(run.recipe)
    name = teacher or recipe.teacher
    found = trained_network(name) if name is not None else None
    if found is None:
        raise DistillError(
            f"{run.path}: {name or 'no teacher'} is no recipe with a finished run that has "
            "weights.\n  Name one: --teacher plain-cifar10-wrn16_2"
        )
    if teacher is None:
        check_teacher(run, found[0])
    data = load_recipe_data(recipe, choose_device(device))
    networks = (network.to(data.device) for network in (load_student(run), found[0]))
    matrix, *taps = cka_matrix(*networks, data)
    rows, columns = ([str(tap) for tap in side] for side in taps)
    values = [[round(value, 4) for value in row] for row in matrix.tolist()]
    if recipe.teacher in (None, name):
        kept = {"teacher": name, "rows": rows, "columns": columns, "cka": values}
        write_json(run.path / FILE, kept)
    header = (f"{run.name} \\ {name}", *columns)
    return markdown_table(
        header, [[row, *(f"{v:.3f}" for v in line)] for row, line in zip(rows, values, strict=True)]
    )


def read_cka(folder: Path) -> dict | None:
    """What `compare_runs` kept with a run, None where nothing was.

    Returns:
        teacher, its recipe; rows and columns, the student's and the teacher's taps; cka, the matrix
        as lists.
    """
    path = Path(folder) / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
