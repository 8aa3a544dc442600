"""Parts that would fail in the first step are refused before it, and nothing on disk changes."""

import pytest
import torch
from torch import nn

from distill_lib import fit
from distill_lib.data import Augment, SmallImages, load_data
from distill_lib.errors import DistillError
from distill_lib.models import build_model
from distill_lib.recipes import CD, CE, KD, OFD, RKD, MultiBox, Optim, PixelCE, Recipe
from distill_lib.recipes.own_pair import own_pair
from distill_lib.taps import Tap
from distill_lib.terms import Channel, CrossEntropy, Relational, Term
from distill_lib.training.build import build

from .helpers import run_tiny, tiny_data, tiny_net, tiny_recipe, tiny_teacher


@pytest.fixture(scope="module")
def masks():
    return load_data("shapes", train_limit=4)


def refused_on(data, match, student, *terms, teacher=None):
    recipe = Recipe("odd", data.name, student, terms, image_size=64, batch_size=2, epochs=1)
    with pytest.raises(DistillError, match=match):
        build(recipe, data=data, teacher=teacher, untrained_teacher=True)


def test_terms_and_networks_are_for_the_task_of_the_data(masks):
    dense = "deeplabv3plus/resnet18"
    refused_on(masks, "(?s)term ce is for class.*'shapes' is for segm.*PixelCE", dense, CE())
    refused_on(masks, "term multibox is for detection", dense, MultiBox())
    teacher = build_model(dense, 5)
    refused_on(masks, "term kd is for", dense, PixelCE(), KD(), teacher=teacher)
    refused_on(masks, "student WideResNet is a network for class", "wrn_10_1", PixelCE())
    boxes = load_data("shapes-boxes", train_limit=4)
    refused_on(boxes, "(?s)network for segmentation.*as ssd/resnet18", dense, MultiBox())


def test_a_tap_that_reads_no_map_is_refused_where_maps_are_compared():
    parts = {"teacher": tiny_teacher(), "student": tiny_net(4, seed=3), "data": tiny_data()}
    taps = {"teacher_taps": ("9:post",), "student_taps": ("9:post",)}
    for term in (CD(**taps), OFD(**taps)):
        with pytest.raises(DistillError, match=r"teacher's tap \w+ 9 reads \(N, 4\).*maps"):
            build(tiny_recipe(terms=(CE(), term)), **parts)
    taps = {"teacher_taps": ("9:pre",), "student_taps": ("9:pre",)}
    build(tiny_recipe(terms=(CE(), RKD(**taps))), **parts)


def test_label_smoothing_is_a_share():
    for amount in (-0.1, 2):
        with pytest.raises(DistillError, match=f"label_smoothing is {amount}; expected 0 to 1"):
            CrossEntropy(label_smoothing=amount)


class Broken(Term):
    """A term of one's own that fails in every step."""

    name = "broken"
    needs_teacher = False

    def forward(self, student, teacher, labels):
        return student.logits @ labels


def test_bad_input_leaves_the_finished_run_that_fresh_would_replace(tmp_path, monkeypatch):
    record = run_tiny(tmp_path, epochs=1)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    optim = Optim(lr_factors=(("student.nothing", 10.0),))
    with pytest.raises(DistillError, match="unknown group of parameters 'student.nothing'"):
        run_tiny(tmp_path, epochs=1, optim=optim, fresh=True)
    monkeypatch.setattr(CE, "build", lambda self, epochs: Broken(1.0))
    with pytest.raises(DistillError, match="loss of broken cannot be computed.*RuntimeError"):
        run_tiny(tmp_path, "plain", epochs=1, fresh=True)
    assert {file: file.read_bytes() for file in before} == before
    assert record.status == "finished"


def test_the_dry_loss_moves_nothing():
    torch.manual_seed(5)
    student = tiny_net(4, seed=3, dropout=0.2)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    state = torch.get_rng_state()
    parts = build(tiny_recipe(), teacher=tiny_teacher(), student=student, data=tiny_data())
    assert torch.equal(torch.get_rng_state(), state) and parts.distiller.training
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


def test_another_augmentation_of_own_data_is_another_run(tmp_path):
    data = tiny_data()
    run_tiny(tmp_path, "plain", epochs=1, images=data)
    plain = Augment(mean=(128.0,) * 3, std=(64.0,) * 3, padding=0, flip=False)
    other = SmallImages(
        "tiny",
        data.classes,
        train=(data.train_images, data.train_labels),
        test=(data.test_images, data.test_labels),
        augment=plain,
    )
    with pytest.raises(DistillError, match="data_augment: .*padding=2.*padding=0"):
        run_tiny(tmp_path, "plain", epochs=1, images=other)
    assert fit(
        tiny_recipe("plain", epochs=1),
        student=tiny_net(4, seed=3, dropout=0.2),
        data=data,
        out=tmp_path,
        progress=False,
    ).last


def test_connectors_have_the_networks_number_format():
    from distill_lib import Distiller

    teacher, student = tiny_teacher().double(), tiny_net(4, seed=3).double()
    distiller = Distiller(teacher, student, [CrossEntropy(), Channel()], image_size=16)
    loss = distiller(torch.randn(8, 3, 16, 16).double(), torch.arange(8) % 4).loss
    loss.backward()
    assert loss.dtype == torch.float64
    assert all(p.grad is not None for p in distiller.terms.parameters())


@pytest.mark.parametrize(
    ("data", "student", "first"),
    [
        ("shapes", "deeplabv3plus/resnet18", PixelCE),
        ("shapes-boxes", "ssd/resnet18", MultiBox),
        ("fashion", "wrn_10_1", CE),
    ],
)
def test_a_pair_of_ones_own_has_the_tasks_loss_with_the_labels(data, student, first):
    recipe = own_pair("teacher", student, data, "cd", "smoke")
    assert [type(spec) for spec in recipe.terms] == [first, CD]


def test_relations_need_no_maps():
    taps = [Tap("8", "post")]
    term = Relational(teacher_taps=taps, student_taps=taps)
    term.attach(tiny_teacher(), tiny_net(4, seed=3), 16)
    assert [tap.size for tap in term.teacher_taps] == [()]


def test_a_network_that_answers_otherwise_is_refused():
    odd = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(2))
    with pytest.raises(DistillError, match=r"gives a Tensor \(2, 4, 256\); expected logits"):
        build(tiny_recipe("plain"), student=odd, data=tiny_data())
