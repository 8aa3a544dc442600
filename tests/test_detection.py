"""Detection on the common road: mAP, OFD on six feature maps, a run and its record."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from distill_lib.data import load_data
from distill_lib.data.batching import Batch
from distill_lib.errors import DistillError
from distill_lib.losses import Predictions
from distill_lib.models import build_model
from distill_lib.recipes import BUDGETS, SUITES, get_recipe
from distill_lib.records import load_record
from distill_lib.training import distributed, fit
from distill_lib.training.evaluate import evaluate
from distill_lib.training.evaluate_detection import AveragePrecision

OFD_NAME = "ofd-shapes-boxes-resnet34-resnet18"
ANCHORS = torch.tensor([[0.0, 0, 16, 16], [32, 32, 64, 64]])


def target(*boxes) -> dict:
    return {
        "boxes": torch.tensor([box[:4] for box in boxes]).float().reshape(-1, 4),
        "labels": torch.tensor([box[4] for box in boxes], dtype=torch.int64),
    }


class Detector(nn.Module):
    """Finds what it was told to, whatever the image shows."""

    def __init__(self, *answers):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.answers = answers

    def forward(self, images):
        logits = torch.zeros(len(images), 2, 3)
        return Predictions(logits, torch.zeros(len(images), 2, 4), ANCHORS, (64, 64))

    def detect(self, predictions):
        return [
            answer | {"scores": torch.linspace(0.9, 0.8, len(answer["labels"]))}
            for answer in self.answers[: len(predictions.class_logits)]
        ]


def given_data(*targets):
    def test_batches(batch_size, rank=0, world_size=1):
        images = torch.zeros(len(targets), 3, 64, 64)
        yield Batch(torch.arange(len(targets)), images, list(targets), len(targets))

    return SimpleNamespace(task="detection", classes=("a", "b"), test_batches=test_batches)


FIRST = target((0, 0, 16, 16, 1), (32, 32, 64, 64, 2))
SECOND = target((10, 10, 40, 40, 1))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((FIRST, SECOND), 100.0),
        # Of class a one box of two, at the larger score: recall 0 to 0.5, 51 recalls of 101.
        ((FIRST, target()), 100 * (51 / 101 + 1) / 2),
        # An overlap of 0.49 is none, one of 0.51 is one.
        ((target((0, 0, 16, 7.9, 1), (32, 32, 64, 64, 2)), SECOND), 100 * (0.5 * 51 / 101 + 1) / 2),
        ((target((0, 0, 16, 8.2, 1), (32, 32, 64, 64, 2)), SECOND), 100.0),
        ((target(), target()), 0.0),
    ],
)
def test_map_at_half_overlap_over_101_recalls(answers, expected):
    found = evaluate(Detector(*answers), given_data(FIRST, SECOND))
    assert found["map50"] == pytest.approx(expected, abs=1e-2)
    assert found["images"] == 2 and found["loss"] > 0


def test_images_without_an_object_score_0():
    found = evaluate(Detector(FIRST, target()), given_data(target(), target()))
    assert found["map50"] == 0.0


def test_a_network_that_finds_no_boxes_is_told():
    with pytest.raises(DistillError, match="Linear has no detect"):
        AveragePrecision(nn.Linear(1, 1), "ab", "cpu")


def test_every_process_counts_the_images_of_all(monkeypatch):
    one, other = (AveragePrecision(Detector(a), "ab", "cpu") for a in (FIRST, target()))
    for meter, truth in ((one, FIRST), (other, SECOND)):
        found = Detector(target())(torch.zeros(1, 3, 64, 64))
        meter.update(found, [truth])
    monkeypatch.setattr(distributed, "gather", lambda seen: [one._seen, other._seen])
    assert one.compute()["map50"] == pytest.approx(100 * (51 / 101 + 1) / 2, abs=1e-2)


def test_the_package_that_counts_is_named_where_it_is_missing(monkeypatch):
    import torchmetrics.detection

    def missing(**settings):
        raise ModuleNotFoundError("no backend")

    monkeypatch.setattr(torchmetrics.detection, "MeanAveragePrecision", missing)
    with pytest.raises(DistillError, match=r"pip install -e \"\.\[detection\]\""):
        AveragePrecision(Detector(), "ab", "cpu")


def test_bccds_rows_need_what_can_be_trained_here():
    teacher, plain, ofd, lighter = (get_recipe(name, "laptop") for name in SUITES["bccd"])
    assert lighter.teacher == ofd.teacher and lighter.terms[1].weight == ofd.terms[1].weight / 10
    assert ofd.teacher == teacher.name and ofd.student == plain.student == "ssd/resnet18"
    assert ofd.optim == plain.optim and ofd.epochs == plain.epochs
    # At the full rate the wide head explodes in the first epochs.
    assert teacher.optim.lr_factors == (("student.head", 0.1),) and not plain.optim.lr_factors
    for row in (teacher, plain, ofd):
        backbone = get_recipe(row.pretrained, "laptop")
        assert backbone.data == "imagenette" and f"ssd/{backbone.student}" == row.student


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_teacher_is_in_train_mode(budget):
    # In eval mode the squares of some images' features are thousands of times the others'.
    rows = [
        get_recipe(name, budget) for suite in ("bccd", "shapes-boxes") for name in SUITES[suite]
    ]
    assert {row.teacher_mode for row in rows if row.teacher} == {"train"}


def test_a_student_is_distilled_and_its_record_says_so(own_folders):
    data = load_data("shapes-boxes", train_limit=8)
    recipe = replace(get_recipe(OFD_NAME, "smoke"), train_limit=8, batch_size=4)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        teacher = build_model("ssd/resnet34", data.num_classes)
        for module in teacher.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0  # one batch, and its running statistics fit its weights
        with torch.no_grad():
            teacher.train()(torch.randn(8, 3, 64, 64))
    record = fit(recipe, data=data, teacher=teacher.eval(), progress=False)
    again = load_record(record.path)
    assert again.status == "finished" and again.summary["task"] == "detection"
    assert again.last["train"].keys() == {"multibox", "ofd", "sum"}
    assert 0 <= again.last["map50"] <= 100
    assert len(record.distiller.terms[1].connectors) == 6
    assert fit(recipe, data=data, teacher=teacher, progress=False).last == again.last
