"""Recipes: what they say, that they can be built, and that records give them back."""

import json
import math
from dataclasses import replace

import pytest
import torch
import torchvision

from distill_lib import paths
from distill_lib.data import BoxAugment, MaskAugment, SmallImages, load_data
from distill_lib.errors import DistillError
from distill_lib.loss_list import terms_from_loss_list
from distill_lib.models import build_model
from distill_lib.recipes import (
    BUDGETS,
    CE,
    OFD,
    RECIPES,
    SUITES,
    Optim,
    as_dict,
    flatten,
    get_recipe,
    recipe_from_dict,
    what_differs,
)
from distill_lib.records import find_records
from distill_lib.training.build import build
from distill_lib.training.fit import fit
from distill_lib.training.optimizer import learning_rate
from distill_lib.training.run_folder import identity_of

ALL = [(name, budget) for name in RECIPES for budget in BUDGETS]
OFD_NAME, PLAIN_NAME = "ofd-cifar10-wrn28_4-wrn16_2", "plain-cifar10-wrn16_2"


@pytest.fixture(scope="module")
def smoke_data():
    """A hundred training and two hundred test images of the embedded set."""
    recipe = get_recipe("plain-fashion-wrn10_1", "smoke")
    whole = load_data(recipe.data, train_limit=100)
    return SmallImages(
        whole.name,
        whole.classes,
        train=(whole.train_images, whole.train_labels),
        test=(whole.test_images[::10], whole.test_labels[::10]),
        augment=recipe.augment,
    )


def runs_at_smoke():
    """Recipes on Fashion-MNIST that differ at smoke in more than what they are called."""
    called = dict.fromkeys(("name", "paper", "note"), "") | {"published": ()}
    smoke = [RECIPES[name]["smoke"] for name in reversed(RECIPES)]
    by_content = {replace(r, **called): r.name for r in smoke if r.data == "fashion"}
    return by_content.values()


@pytest.mark.parametrize("name", runs_at_smoke())
def test_every_recipe_runs_at_smoke(name, smoke_data, tmp_path, monkeypatch):
    # The teacher is the shipped one: runs of this machine are not looked at.
    monkeypatch.setattr(paths, "runs_dir", lambda: tmp_path)
    recipe = get_recipe(name, "smoke")
    assert recipe.data == smoke_data.name
    before = torch.get_rng_state()
    record = fit(recipe, data=smoke_data, progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    assert record.status == "finished"
    terms = [spec.term.name for spec in recipe.terms]
    assert set(record.last["train"]) == {*terms, "sum"}
    assert (record.distiller.teacher is not None) == recipe.needs_teacher
    assert ("teacher" in record.summary) == recipe.needs_teacher


def test_an_untrained_teacher_and_the_student_come_from_the_seed(smoke_data):
    recipe = replace(get_recipe("ofd-fashion-wrn16_2-wrn10_1", "smoke"), teacher="wrn_10_2")
    one, two = (build(recipe, data=smoke_data, untrained_teacher=True) for _ in range(2))
    other = build(replace(recipe, seed=1), data=smoke_data, untrained_teacher=True)
    for role in ("teacher", "student"):
        weights = [getattr(p.distiller, role).conv1.weight for p in (one, two, other)]
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(("name", "budget"), ALL)
def test_a_recipe_is_named_and_its_parts_exist(name, budget):
    recipe = get_recipe(name, budget)
    assert (recipe.name, recipe.budget) == (name, budget)
    assert recipe.paper
    with torch.device("meta"):
        build_model(recipe.student, 10)
    if recipe.needs_teacher:
        if recipe.teacher.startswith("weights:"):
            assert torchvision.models.get_weight(recipe.teacher.removeprefix("weights:"))
        else:
            teacher = get_recipe(recipe.teacher, budget)
            assert (teacher.data, teacher.image_size) == (recipe.data, recipe.image_size)
            assert not teacher.needs_teacher
    else:
        assert recipe.teacher is None


@pytest.mark.parametrize(("name", "budget"), ALL)
def test_a_record_gives_the_recipe_back(name, budget):
    recipe = get_recipe(name, budget)
    assert recipe_from_dict(json.loads(json.dumps(as_dict(recipe)))) == recipe


def test_changed_settings_survive_the_record():
    recipe = replace(
        get_recipe(OFD_NAME),
        terms=(CE(label_smoothing=0.1), OFD(tail="exact", divisors=(3.0, 2.0, 1.0))),
        optim=Optim(milestones=(1, 2, 3)),
        train_limit=100,
    )
    back = recipe_from_dict(json.loads(json.dumps(as_dict(recipe))))
    assert back == recipe
    assert hash(back) == hash(recipe)


def test_a_record_of_another_version_is_refused():
    data = as_dict(get_recipe(OFD_NAME))
    with pytest.raises(DistillError, match="cannot be read by this version"):
        recipe_from_dict(data | {"warp": 9})
    with pytest.raises(DistillError, match="cannot be read by this version"):
        recipe_from_dict(data | {"terms": [{"term": "unheard of"}]})


def test_unknown_names_are_refused():
    with pytest.raises(DistillError, match=f"(?s)unknown recipe.*{OFD_NAME}"):
        get_recipe("ofd-cifar10-wrn28_4-wrn16_3")
    with pytest.raises(DistillError, match="expected one of smoke, laptop, paper"):
        get_recipe(OFD_NAME, "weekend")


@pytest.mark.parametrize("suffix", ["", "-mmrazor"])
@pytest.mark.parametrize("budget", BUDGETS)
def test_the_published_numbers_stand_beside(suffix, budget):
    published = get_recipe(OFD_NAME + suffix, budget).published
    found = {(number.what, number.top1, number.top5) for number in published}
    assert found == {
        ("student alone", 93.43, 99.75),
        ("teacher", 95.49, 99.81),
        ("OFD", 95.23, 99.79),
        ("student alone", 93.26, None),
        ("teacher", 95.44, None),
        ("OFD", 94.21, None),
    }
    assert all(number.source for number in published)


@pytest.mark.parametrize(
    ("name", "top1"),
    [
        ("plain-cifar100-wrn28_4", 78.91),
        ("ofd-cifar100-a-wrn28_4-wrn16_4", 79.11),
        ("ofd-cifar100-b-wrn28_4-wrn28_2", 78.02),
        ("ofd-cifar100-c-wrn28_4-wrn16_2", 75.92),
        ("plain-cifar100-wrn16_2", 72.68),
    ],
)
def test_published_errors_are_given_as_accuracy(name, top1):
    assert get_recipe(name).published[0].top1 == top1


def test_the_paper_budget_has_the_settings_of_the_paper():
    recipe = get_recipe(OFD_NAME)
    assert (recipe.epochs, recipe.batch_size, recipe.teacher_mode) == (200, 128, "train")
    assert recipe.optim == Optim(
        lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, milestones=(100, 150)
    )
    assert recipe.terms == (CE(), OFD(weight=1e-3))


def test_ofds_rate_drops_an_epoch_before_cds():
    def drops(name):
        recipe = get_recipe(name)
        rates = [learning_rate(recipe.optim, e, 0, epochs=100, steps=1) for e in range(1, 101)]
        return [e for e in range(2, 101) if rates[e - 1] < rates[e - 2]]

    assert drops("ofd-imagenet-resnet50-mobilenet_v1") == [30, 60, 90]
    assert drops("s_resnet18.t_resnet34.cd.ce") == [31, 61, 91]


@pytest.mark.parametrize("augment", [MaskAugment(scale=(1.0, 1.5)), BoxAugment(flip=False)])
def test_augmentations_of_masks_and_boxes_survive_the_record(augment):
    recipe = replace(get_recipe("plain-fashion-wrn10_1"), augment=augment)
    assert recipe_from_dict(json.loads(json.dumps(as_dict(recipe)))) == recipe


def test_what_differs_is_the_paper():
    rows = what_differs(get_recipe(OFD_NAME), get_recipe(PLAIN_NAME))
    assert rows == [
        ("terms.1.term", "ofd", None),
        ("terms.1.weight", 0.001, None),
        ("terms.1.tail", "paper", None),
        ("teacher", "plain-cifar10-wrn28_4", None),
        ("teacher_mode", "train", "eval"),
    ]
    assert what_differs(get_recipe(OFD_NAME), get_recipe(OFD_NAME)) == []


def test_what_differs_from_mmrazor():
    rows = what_differs(get_recipe(f"{OFD_NAME}-mmrazor"), get_recipe(OFD_NAME))
    found = {key: (theirs, authors) for key, theirs, authors in rows}
    assert found["teacher_mode"] == ("eval", "train")
    assert found["optim.nesterov"] == (False, True)
    assert found["optim.weight_decay"] == (1e-4, 5e-4)
    assert found["augment.padding_mode"] == ("zero", "reflect")
    assert found.keys() == {
        *("teacher", "teacher_mode", "augment.mean", "augment.std", "augment.padding_mode"),
        *("optim.nesterov", "optim.weight_decay"),
    }


@pytest.mark.parametrize("epochs", [20, 200, 600])
def test_milestones_scale_with_the_epochs(epochs):
    optim = get_recipe(OFD_NAME).optim

    def rate(epoch):
        return learning_rate(optim, epoch, 0, epochs=epochs, steps=epochs * 10)

    drops = [epoch for epoch in range(2, epochs + 1) if rate(epoch) != rate(epoch - 1)]
    assert drops == [epochs // 2 + 1, epochs * 3 // 4 + 1]
    assert [rate(1), rate(drops[0]), rate(epochs)] == pytest.approx([0.1, 0.01, 0.001])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"optim": Optim(lr=0.0)}, "lr is 0.0"),
        ({"terms": ()}, "no terms"),
    ],
)
def test_an_impossible_recipe_is_refused(change, message):
    with pytest.raises(DistillError, match=message):
        replace(get_recipe(PLAIN_NAME), **change)


def test_flatten_names_nested_values():
    assert flatten({"a": {"b": (1, 2)}, "c": [{"d": 3}, {"d": 4}]}) == {
        "a.b": [1, 2],
        "c.0.d": 3,
        "c.1.d": 4,
    }


SEED2 = {  # the seed's table: row -> top-1 and top-5 error, each run
    "ResNet18-B": [(30.43, 10.76)],
    "ResNet18.at": [(29.30, 10.00)],
    "s_resnet18.t_resnet34.kd.ce": [(29.50, 9.52)],
    "s_resnet18.t_resnet34.cd.ce": [(28.38, 9.48)],
    "s_resnet18.t_resnet34.cd.ce.lrdv1": [(28.36, 9.39), (28.34, 9.41)],
    "s_resnet18.t_resnet34.cd.ce.lrdv2": [(28.09, 9.34), (28.00, 9.27)],
    "s_resnet18.t_resnet34.cd.kd.lrdv2": [(27.99, 9.31)],
    "s_resnet18.t_resnet34.cd.kdv2.lrdv2": [(27.73, 9.22), (27.68, 9.39)],
}


def test_seed_2s_table_is_whole():
    assert SUITES["seed2"] == ("plain-imagenet-resnet34", *SEED2)
    for name, errors in SEED2.items():
        recipe = get_recipe(name)
        shown = [(round(100 - p.top1, 2), round(100 - p.top5, 2)) for p in recipe.published]
        assert shown[: len(errors)] == errors
        assert (recipe.epochs, recipe.batch_size, recipe.image_size) == (100, 256, 224)
        assert recipe.optim == Optim(
            lr=0.1, nesterov=False, weight_decay=1e-4, milestones=(30, 60, 90), milestones_of=100
        )
        laptop = get_recipe(name, "laptop")
        assert (laptop.data, laptop.image_size, laptop.epochs) == ("imagenette", 64, 8)


def test_seed_2s_rows_weigh_as_its_lists_do():
    ends = {"ce": ("CELoss", "ce_family"), "cd": ("CDLoss", "fd_family")}
    ends |= {"gkd": ("KDLossv2", "kdv2_family")}

    def entry(name, rate, factor, version):
        loss, family = ends[name]
        common = {"loss_name": loss, "loss_rate": rate, "factor": factor, "loss_type": family}
        more = {"T": 1} if name == "gkd" else {}
        return common | {"loss_rate_decay": version} | more

    lists = {
        "cd.ce": [entry("ce", 1, 1, "lrdv1"), entry("cd", 6, 1, "lrdv1")],
        "cd.ce.lrdv2": [entry("ce", 1, 1, "lrdv2"), entry("cd", 6, 0.9, "lrdv2")],
        "cd.kdv2.lrdv2": [
            entry("ce", 1, 1, "lrdv2"),
            entry("gkd", 1, 1, "lrdv2"),
            entry("cd", 6, 0.9, "lrdv2"),
        ],
    }
    for row, loss_list in lists.items():
        ours = [spec.build(100) for spec in get_recipe(f"s_resnet18.t_resnet34.{row}").terms]
        theirs = terms_from_loss_list(loss_list)
        assert [term.name for term in ours] == [term.name for term in theirs]
        for epoch in range(1, 101):
            for a, b in zip(ours, theirs, strict=True):
                assert a.weight_at(epoch) == pytest.approx(b.weight_at(epoch), rel=1e-12)


@pytest.mark.parametrize("letter", "abcdef")
def test_ofds_settings_tap_three_pairs(letter):
    name = next(n for n in RECIPES if n.startswith(f"ofd-cifar100-{letter}-"))
    recipe = get_recipe(name)
    teacher = get_recipe(recipe.teacher)
    assert recipe.teacher_mode == "train"
    assert recipe.batch_size == (64 if letter in "ef" else 128)
    term = recipe.terms[1].build(recipe.epochs)
    # Fewer blocks, the same names and positions: the deepest networks take long to build.
    small = {"pyramidnet_200_240_bottleneck": "pyramidnet_29_24_bottleneck"}
    small |= {"pyramidnet_110_84": "pyramidnet_20_12"}
    networks = [small.get(n, n) for n in (teacher.student, recipe.student)]
    term.attach(*(build_model(n, 100) for n in networks), 32)
    assert [tap.stride for tap in term.teacher_taps] == [1, 2, 4]
    assert term.dropped_taps == []
    assert term.divisors == (4.0, 2.0, 1.0)


def test_finished_runs_are_still_the_same_runs():
    beside = {"precision", "data_digest", "student_shapes", "world_size", "teacher_digest"}
    records = find_records(paths.results_dir())
    for record in records:
        found = {key: record.identity[key] for key in beside & record.identity.keys()}
        assert identity_of(recipe_from_dict(record.recipe), **found) == record.identity
    (ofd,) = (
        record.recipe
        for record in records
        if (record.name, record.recipe["seed"]) == ("ofd-cifar10-wrn16_2-wrn10_1", 0)
    )
    assert json.loads(json.dumps(as_dict(get_recipe(ofd["name"], "laptop")))) == ofd


def test_suites_are_recipes_each_once():
    for rows in SUITES.values():
        assert len(set(rows)) == len(rows)
        assert set(rows) <= RECIPES.keys()


def laptop_rows(suite):
    return [get_recipe(name, "laptop") for name in SUITES[suite]]


def choices(base, recipe):
    return {key: new for key, _, new in what_differs(base, recipe)}


def test_ofds_table_changes_one_choice_at_a_time():
    plain, ofd, *variants = laptop_rows("ofd-design")
    assert {recipe.epochs for recipe in (plain, ofd, *variants)} == {4}
    assert plain == replace(
        get_recipe("plain-cifar10-wrn10_1", "laptop"), name=plain.name, epochs=4, note=plain.note
    )
    assert choices(plain, ofd).keys() == {
        *("terms.1.term", "terms.1.weight", "terms.1.tail", "teacher")
    }
    found = {recipe.name.split("-")[0]: choices(ofd, recipe) for recipe in variants}
    assert found == {
        "ofd_relu": {"terms.1.teacher_transform": "relu"},
        "ofd_raw": {"terms.1.teacher_transform": "none"},
        "ofd_exact": {"terms.1.tail": "exact"},
        "ofd_conv": {"terms.1.student_transform": "conv"},
        "ofd_post": {"terms.1.position": "post", "terms.1.teacher_transform": "none"},
        "ofd_last": {"terms.1.stages": "last"},
        "ofd_l2": {"terms.1.distance": "l2"},
        "ofd_l1": {"terms.1.distance": "l1"},
        "ofd_train": {"teacher_mode": "train"},
    }


def test_ofds_weight_is_swept():
    plain, *rows = laptop_rows("ofd-weight")
    assert not plain.needs_teacher
    assert [recipe.terms[1].weight for recipe in rows] == [1e-5, 1e-4, 1e-3, 1e-2]
    assert all(choices(rows[2], recipe).keys() <= {"terms.1.weight"} for recipe in rows)


def test_ofd_of_weight_0_is_the_plain_student(smoke_data, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "runs_dir", lambda: tmp_path)
    plain, ofd, *_ = (get_recipe(name, "smoke") for name in SUITES["ofd-weight"])
    without = replace(ofd, terms=(CE(), OFD(weight=0.0)))
    one, other = (fit(r, data=smoke_data, out=tmp_path / r.name) for r in (plain, without))
    for name, tensor in one.load_weights().items():
        assert torch.equal(tensor, other.load_weights()[name]), name


def test_cds_variants_are_between_networks_of_equal_width():
    plain, cd, *variants = laptop_rows("cd-variants")
    assert not plain.needs_teacher
    assert (get_recipe(cd.teacher).student, cd.student) == ("wrn_16_2", "wrn_10_2")
    decay = {"terms.1.decay.data", "terms.1.decay.version", "terms.1.decay.factor"}
    assert [choices(cd, recipe).keys() for recipe in variants] == [
        {"terms.1.connectors"},
        decay,
        {"terms.1.connectors"} | decay,
    ]


@pytest.mark.parametrize("budget", ["laptop", "paper"])
def test_scarce_labels_change_the_images_and_not_the_steps(budget):
    names = SUITES["scarce-labels"]
    full, scarce = names[:4], names[4:]
    assert [name.split("-")[0] for name in full] == ["plain", "kd", "cd", "ofd"]
    assert scarce == tuple(f"{name}-{end}" for end in ("10pct", "1pct") for name in full)
    for name in scarce:
        recipe, whole = (get_recipe(n, budget) for n in (name, name.rpartition("-")[0]))
        assert choices(whole, recipe).keys() == {"train_limit", "epochs", "evaluate_every"}
        assert recipe.train_limit == {"10pct": 5_000, "1pct": 500}[name.split("-")[-1]]
        steps, wanted = (
            r.epochs * math.ceil((r.train_limit or 50_000) / r.batch_size) for r in (recipe, whole)
        )
        assert abs(steps - wanted) <= math.ceil(recipe.train_limit / recipe.batch_size) / 2
