"""Recipes: what they say, that they can be built, and that records give them back."""

import json
from dataclasses import fields, replace

import pytest
import torch

from distill_lib import paths
from distill_lib.data import load_data
from distill_lib.errors import DistillError
from distill_lib.models import build_model
from distill_lib.recipes import (
    BUDGETS,
    CE,
    OFD,
    RECIPES,
    Optim,
    Recipe,
    as_dict,
    flatten,
    get_recipe,
    recipe_from_dict,
    what_differs,
)
from distill_lib.recipes.recipe import FREE, IDENTITY
from distill_lib.training.build import build
from distill_lib.training.fit import learning_rate

ALL = [(name, budget) for name in RECIPES for budget in BUDGETS]
OFD_NAME, PLAIN_NAME = "ofd-cifar10-wrn28_4-wrn16_2", "plain-cifar10-wrn16_2"


@pytest.fixture(scope="module")
def smoke_data():
    recipe = get_recipe("plain-fashion-wrn10_1", "smoke")
    return load_data(
        recipe.data, augment=recipe.augment, device="cpu", train_limit=recipe.train_limit
    )


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_built_at_smoke(name, smoke_data, tmp_path, monkeypatch):
    # The teacher is the shipped one: runs of this machine are not looked at.
    monkeypatch.setattr(paths, "runs_dir", lambda: tmp_path)
    recipe = get_recipe(name, "smoke")
    assert recipe.data == smoke_data.name
    assert recipe.train_limit == smoke_data.num_train
    before = torch.get_rng_state()
    parts = build(recipe, data=smoke_data)
    assert torch.equal(torch.get_rng_state(), before)
    assert [term.name for term in parts.distiller.terms] == [s.term.name for s in recipe.terms]
    assert (parts.distiller.teacher is not None) == recipe.needs_teacher
    assert (parts.teacher_run is not None) == recipe.needs_teacher


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
        teacher = get_recipe(recipe.teacher, budget)
        assert teacher.data == recipe.data
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


def test_every_field_is_identity_or_free():
    names = {field.name for field in fields(Recipe)}
    assert IDENTITY | FREE == names
    assert IDENTITY & FREE == set()


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
