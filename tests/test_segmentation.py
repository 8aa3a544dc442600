"""Segmentation on the common road: mIoU, OFD's six taps, a run and its record."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from distill_lib.data import load_data
from distill_lib.data.batching import VOID, Batch
from distill_lib.distiller import Distiller
from distill_lib.errors import CheckpointError, RecipeMismatchError
from distill_lib.models import build_model
from distill_lib.recipes import SUITES, get_recipe
from distill_lib.recipes.segmentation import DIVISORS
from distill_lib.records import load_record
from distill_lib.training import fit
from distill_lib.training.build import build
from distill_lib.training.evaluate import evaluate
from tests.conftest import seeded

OFD_NAME = "ofd-shapes-resnet18-mobilenet_v2"


class Given(nn.Module):
    """Answers with the logits that stand in the image's place."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        return images * self.scale


def given_data(logits, labels, classes="abcd"):
    def test_batches(batch_size, rank=0, world_size=1):
        for first in range(0, len(labels), batch_size):
            part = slice(first, first + batch_size)
            yield Batch(torch.arange(len(labels))[part], logits[part], labels[part], batch_size)

    return SimpleNamespace(task="segmentation", classes=tuple(classes), test_batches=test_batches)


def test_miou_counts_pixels_of_all_images_without_void_and_absent_classes():
    labels = torch.randint(0, 3, (5, 7, 6), generator=seeded(0))  # no pixel of class d
    labels[0, :3] = VOID
    logits = torch.randn(5, 4, 7, 6, generator=seeded(1))
    logits[:, 3] = -10.0  # and none is said to be one
    found = evaluate(Given(), given_data(logits, labels), batch_size=2)
    said, valid = logits.argmax(1), labels != VOID
    expected = []
    for k in range(3):
        both = (valid & (said == k) & (labels == k)).sum().item()
        expected.append(100 * both / (valid & ((said == k) | (labels == k))).sum().item())
    assert found["iou"][:3] == pytest.approx(expected, abs=1e-3)
    assert found["miou"] == pytest.approx(sum(expected) / 3, abs=1e-3)
    assert found["images"] == 5
    log_p = logits.log_softmax(1).gather(1, labels.clamp_max(3)[:, None])[:, 0]
    assert found["loss"] == pytest.approx(-log_p[valid].mean().item(), rel=1e-5)


def test_a_set_that_is_all_void_has_no_nan():
    labels = torch.full((2, 4, 4), VOID)
    found = evaluate(Given(), given_data(torch.randn(2, 4, 4, 4, generator=seeded(0)), labels))
    assert found["loss"] == 0.0 and found["miou"] == 0.0


def test_ofds_term_has_the_six_taps_of_the_paper():
    recipe = get_recipe("ofd-voc2012-resnet101-mobilenet_v2")
    term = recipe.terms[1]
    assert (term.weight, term.divisors) == (1e-5, (8, 4, 2, 1, 1, 16)) and DIVISORS == term.divisors
    assert term.teacher_taps[2] == "encoder.layer3.22.relu:pre"
    assert recipe.optim.connectors_first == 1 and recipe.teacher_mode == "train"
    assert (recipe.image_size, recipe.batch_size, recipe.epochs) == (513, 12, 50)
    numbers = {(number.what, number.miou) for number in recipe.published}
    assert numbers == {("OFD", 71.19), ("student alone", 68.46), ("teacher", 77.89)}
    assert recipe.pretrained == "weights:MobileNet_V2_Weights.IMAGENET1K_V1"


def test_camvids_rows_need_what_can_be_trained_here():
    rows = [get_recipe(name, "laptop") for name in SUITES["camvid"]]
    assert [row.name for row in rows if row.teacher] == [
        "ofd-camvid-resnet50-resnet18",
        "ofd-camvid-resnet50-mobilenet_v2",
    ]
    for row in rows:
        assert get_recipe(row.pretrained, "laptop").data == "imagenette"
        assert get_recipe(row.pretrained).student == row.student.split("/")[1]
        assert row.teacher in (None, rows[0].name) and row.image_size == 176
        # In eval mode the squares of some images' features are thousands of times the others'.
        assert row.teacher is None or row.teacher_mode == "train"


@pytest.fixture(scope="module")
def data():
    return load_data("shapes", train_limit=8)


def test_a_student_is_distilled_and_its_record_says_so(data, own_folders):
    recipe = replace(get_recipe(OFD_NAME, "smoke"), train_limit=8, batch_size=4)
    before = build(recipe, data=data, teacher=used_teacher()).distiller
    record = fit(recipe, data=data, teacher=used_teacher(), progress=False)
    again = load_record(record.path)
    assert again.status == "finished" and again.last["miou"] > 0
    assert again.last["train"].keys() == {"pixel_ce", "ofd", "sum"}
    assert len(again.last["iou"]) == data.num_classes
    assert len(record.distiller.terms[1].connectors) == 6
    moved = [
        not torch.equal(new, old)
        for new, old in zip(
            record.distiller.student.parameters(), before.student.parameters(), strict=True
        )
    ]
    assert all(moved)


def test_the_first_epoch_trains_the_connectors_alone(data, own_folders):
    recipe = replace(get_recipe(OFD_NAME, "smoke"), train_limit=8, batch_size=4, epochs=1)
    before = build(recipe, data=data, teacher=used_teacher()).distiller
    after = fit(recipe, data=data, teacher=used_teacher(), progress=False).distiller
    pairs = zip(after.named_parameters(), before.parameters(), strict=True)
    for (name, new), old in pairs:
        assert torch.equal(new, old) == name.startswith("student."), name


def used_teacher() -> nn.Module:
    """A DeepLabV3+ whose batch norms have seen an image."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = build_model("deeplabv3plus/resnet18", 5)
        with torch.no_grad():
            model.train()(torch.randn(2, 3, 64, 64))
    return model.eval()


def test_a_batch_without_a_class_trains_nothing_and_breaks_nothing():
    spec = get_recipe("plain-shapes-mobilenet_v2", "smoke").terms[0]
    student = build_model("deeplabv3plus/mobilenet_v2", 5)
    distiller = Distiller(None, student, [spec.build(1)], image_size=64)
    step = distiller(torch.randn(2, 3, 64, 64), torch.full((2, 64, 64), VOID))
    step.loss.backward()
    assert step.loss.item() == 0.0
    assert not any(p.grad.any() for p in student.parameters())


def test_the_encoder_starts_from_a_run_of_its_own_network_only(data, own_folders, tmp_path):
    recipe = get_recipe("plain-fashion-wrn10_1", "smoke")
    run = fit(recipe, data=load_data("fashion", train_limit=50), progress=False)
    started = replace(get_recipe("plain-shapes-resnet18", "smoke"), pretrained=str(run.path))
    with pytest.raises(CheckpointError, match="does not fit the backbone of 'deeplabv3plus/resn"):
        build(started, data=data)


def test_a_finished_run_is_not_passed_off_as_one_from_another_encoder(data, own_folders):
    classify = replace(get_recipe("plain-fashion-wrn10_1", "smoke"), student="resnet18", epochs=1)
    few = load_data("fashion", train_limit=50)
    encoder = fit(classify, data=few, progress=False, out=own_folders / "encoder")
    recipe = replace(
        get_recipe("plain-shapes-resnet18", "smoke"),
        pretrained=str(encoder.path),
        epochs=1,
        train_limit=8,
        batch_size=4,
    )
    run = fit(recipe, data=data, progress=False)
    assert fit(recipe, data=data, progress=False).summary == run.summary  # seconds and all
    fit(replace(classify, seed=1), data=few, progress=False, out=encoder.path, fresh=True)
    with pytest.raises(RecipeMismatchError, match="pretrained_digest"):
        fit(recipe, data=data, progress=False)
