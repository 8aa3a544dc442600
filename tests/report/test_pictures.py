"""Pictures of predictions: of which runs, and what is done where the images are missing."""

import sys

import matplotlib.pyplot as plt
import pytest

from distill_lib.data import load_data
from distill_lib.errors import DataError
from distill_lib.models import build_model
from distill_lib.plots.scenes import class_colour, class_legend
from distill_lib.report.pictures import SHOWN, pairs_to_picture, predictions_figure
from distill_lib.report.write import write_report
from report.helpers import record

PAIRS = {
    "segmentation": ("plain-shapes-mobilenet_v2", "ofd-shapes-resnet18-mobilenet_v2"),
    "detection": ("plain-shapes-boxes-resnet18", "ofd-shapes-boxes-resnet34-resnet18"),
}
CAMVID_CLASSES = 11


@pytest.fixture(params=PAIRS)
def pair(request, tmp_path):
    """A plain and a distilled run, with weights that were never trained."""
    runs = []
    for name in PAIRS[request.param]:
        run = record(name, 0, [10.0], task=request.param, root=tmp_path)
        run.summary["num_classes"] = load_data(run.recipe["data"]).num_classes
        model = build_model(run.recipe["student"], run.summary["num_classes"])
        run.path.mkdir(parents=True)
        run.save_weights("last", model.state_dict())
        runs.append(run)
    return runs


def test_a_row_for_each_image_and_a_column_for_each_answer(pair):
    published = record(pair[1].name, 0, [10.0], task=pair[1].task.name)  # without weights
    assert pairs_to_picture([published, *pair]) == [tuple(pair)]
    figure, axes = predictions_figure(*pair)
    assert axes.shape == (SHOWN, 4)
    assert [ax.get_title() for ax in axes[0]] == ["image", "truth", "alone", "distilled"]
    if pair[0].task.name == "detection":  # an untrained student is sure of nothing, and is shown
        boxes = [[len(ax.patches) for ax in row[1:]] for row in axes]
        assert all(truth == alone == taught for truth, alone, taught in boxes), boxes


def test_without_images_or_weights_the_report_is_written_all_the_same(pair, tmp_path, monkeypatch):
    def missing(*args, **kwargs):
        raise DataError("data set shapes is not on this machine.\n  Get it.")

    # By the module: the package's `build` is the function.
    monkeypatch.setattr(sys.modules["distill_lib.training.build"], "load_recipe_data", missing)
    table, files = write_report(pair, tmp_path / "out")
    assert f"No picture of {pair[1].name}: data set shapes is not on this machine." in table
    assert [file.name for file in files] == ["report.md", "report.png"]
    monkeypatch.undo()
    weights = pair[0].path / "last.safetensors"
    moved = weights.rename(weights.with_suffix(".elsewhere"))
    table, _ = write_report(pair, tmp_path / "out")
    assert f"No picture of {pair[1].name}: run {pair[0].path} has no last.safetensors" in table
    moved.rename(weights)
    _, files = write_report(pair, tmp_path / "out")
    assert files[-1].name == f"predictions-{pair[1].name}.png" and files[-1].is_file()


def test_the_classes_of_camvid_have_colours_of_their_own():
    classes = list(map(str, range(CAMVID_CLASSES)))
    assert len({class_colour(k) for k in range(CAMVID_CLASSES)}) == CAMVID_CLASSES
    figure = plt.figure()
    class_legend(figure, classes)
    figure.canvas.draw()
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0 and legend.x1 <= figure.bbox.x1  # names beside each other, none cut off
    plt.close(figure)
