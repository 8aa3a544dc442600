"""Seeds put together, and what one group is ahead of the plain student by."""

from dataclasses import replace

import pytest
import torch

from distill_lib.recipes import get_recipe
from distill_lib.report import (
    difference_to_plain,
    group_by_seed,
    paired_difference,
    plain_of,
    registered_runs,
)
from distill_lib.report.groups import T_975
from distill_lib.report.rows import group_cells
from report.helpers import KD, OFD, PLAIN, record


def test_the_interval_is_students_t_on_the_paired_differences():
    plain = [record(PLAIN, seed, [value]) for seed, value in enumerate((80.0, 81.0, 82.0))]
    kd = [record(KD, seed, [value]) for seed, value in enumerate((83.0, 85.0, 84.0))]
    difference = paired_difference(kd, plain, "top1")
    # By hand: 3, 4, 2 have mean 3 and standard deviation 1; 4.303 / √3 = 2.484.
    assert difference.mean == pytest.approx(3.0)
    assert difference.half_width == pytest.approx(2.484, abs=5e-4)
    assert difference.seeds == (0, 1, 2)


@pytest.mark.parametrize("freedom", range(1, 10))
def test_the_quantiles_hold_95_per_cent(freedom):
    x = torch.linspace(-T_975[freedom - 1], T_975[freedom - 1], 100_001, dtype=torch.float64)
    density = torch.distributions.StudentT(torch.tensor(float(freedom))).log_prob(x).exp()
    assert torch.trapezoid(density, x).item() == pytest.approx(0.95, abs=1e-4)


def test_unequal_seeds_are_compared_where_both_have_one():
    plain = [record(PLAIN, seed, [80.0 + seed]) for seed in (0, 2)]
    kd = [record(KD, seed, [83.0 + seed]) for seed in (0, 1, 5)]
    difference = paired_difference(kd, plain, "top1")
    assert (difference.mean, difference.half_width, difference.seeds) == (3.0, None, (0,))
    assert paired_difference(kd[1:], plain, "top1") is None


def test_of_two_records_of_one_run_the_first_counts():
    runs = [record(KD, 1, [84.0]), record(KD, 0, [83.0]), record(KD, 1, [99.0])]
    (group,) = group_by_seed(runs)
    assert [(run.recipe["seed"], run.last["top1"]) for run in group] == [(0, 83.0), (1, 84.0)]


def test_an_unfinished_run_does_not_count():
    running = record(KD, 0, [83.0])
    running.status = "interrupted"
    assert group_by_seed([running]) == []


def test_the_plain_student_differs_in_the_method_alone():
    recipe = get_recipe(PLAIN, "laptop")
    others = [
        replace(recipe, epochs=4),
        replace(recipe, train_limit=500),
        replace(recipe, student="wrn_16_2"),
        replace(recipe, optim=replace(recipe.optim, lr=0.1)),
    ]
    groups = group_by_seed([record(KD, 0, [83.0]), *(record(r, 0, [80.0]) for r in others)])
    kd = next(group for group in groups if group[0].name == KD)
    assert plain_of(kd, groups) is None and difference_to_plain(kd, groups) is None
    groups += group_by_seed([record(recipe, 0, [81.0])])
    assert difference_to_plain(kd, groups).mean == 2.0
    assert plain_of(groups[-1], groups) is None


def test_machines_may_choose_another_number_format_for_another_seed():
    runs = [record(KD, 0, [83.0]), record(KD, 1, [84.0], precision="bf16")]
    (group,) = group_by_seed(runs)
    assert [run.recipe["seed"] for run in group] == [0, 1]
    assert group_cells(group, [group])["device"] == "cpu, float32 and cpu, bf16"


def test_a_number_format_that_was_asked_for_is_another_experiment():
    plain = get_recipe(PLAIN, "laptop")
    asked = [replace(recipe, precision="float32") for recipe in (plain, get_recipe(OFD, "laptop"))]
    runs = [record(plain, 0, [70.0]), record(asked[0], 0, [80.0]), record(asked[1], 0, [83.0])]
    groups = group_by_seed(runs)
    assert len(groups) == 3
    assert difference_to_plain(groups[-1], groups).mean == 3.0


def test_a_run_with_fields_of_its_own_does_not_stand_for_its_recipe():
    changed = record(replace(get_recipe(KD, "laptop"), epochs=3), 0, [70.0])
    changed.path = changed.path.parents[1] / "laptop-0badcafe" / "0"
    runs = [record(KD, seed, [84.0]) for seed in (1, 2)]
    smoke = record(get_recipe(KD, "smoke"), 0, [20.0])
    for records in ([changed, *runs, smoke], [smoke, *runs, changed]):
        assert registered_runs(records) == {KD: runs}
    assert registered_runs(records, "smoke") == {KD: [smoke]}


def test_of_two_groups_of_a_recipe_the_one_with_more_seeds_counts():
    older = record(KD, 5, [70.0])
    older.identity["data_digest"] = "another"
    runs = [record(KD, seed, [84.0]) for seed in (0, 1)]
    assert registered_runs([older, *runs]) == registered_runs([*runs, older]) == {KD: runs}
