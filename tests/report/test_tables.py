"""What the tables say of records."""

from dataclasses import replace

import pytest

from distill_lib import cli
from distill_lib.recipes import get_recipe
from distill_lib.report import group_by_seed, published_text, report_table, write_report
from distill_lib.report.rows import group_cells
from report.helpers import KD, OFD, PLAIN, record

SEGMENTED = replace(
    get_recipe(OFD, "laptop"),
    name="ofd-streets",
    published=({"what": "OFD", "miou": 71.6},),
    note="streets",
)


def cells(text: str) -> list[dict[str, str]]:
    """The rows of a Markdown table, header -> cell."""
    split = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()]
    header, _, *rows = split
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_a_row_says_everything():
    runs = [record(PLAIN, seed, [70.0, 80.0 + seed]) for seed in range(3)]
    runs += [record(KD, seed, [85.0, 84.0 + 2 * seed]) for seed in range(3)]
    text = report_table(runs)
    assert "In all rows: data cifar10; budget laptop; epochs 8; device cpu, float32." in text
    plain, kd = cells("\n".join(line for line in text.splitlines() if line.startswith("|")))
    assert kd["recipe"] == KD and kd["pair"] == "wrn_16_2 → wrn_10_1"
    assert kd["seeds"] == "3: 0, 1, 2"
    assert kd["top-1 last (%)"] == "86.00 ± 2.00"
    assert kd["top-1 best (%)"] == "86.33 ± 1.53"
    assert kd["to plain, last"] == "+5.00 [+2.52, +7.48]"
    assert (kd["teacher (%)"], kd["seconds"]) == ("92.50", "60")
    assert (plain["to plain, last"], plain["teacher (%)"]) == ("–", "–")
    assert "What differs from the paper: 8 epochs" in text


def test_a_run_with_fields_of_its_own_says_which():
    recipe = get_recipe(PLAIN, "laptop")
    changed = replace(recipe, epochs=3, optim=replace(recipe.optim, lr=0.02), evaluate_every=3)
    text = report_table([record(PLAIN, 1, [70.0]), record(changed, 1, [60.0])])
    (note,) = (line for line in text.splitlines() if line.startswith(f"- {PLAIN}: "))
    assert note.endswith(f"; but optim.lr 0.02 for {recipe.optim.lr}, epochs 3 for {recipe.epochs}")


def test_a_teacher_given_by_its_folder_is_called_by_its_network():
    run = record(replace(get_recipe(KD, "laptop"), teacher="runs/mine/0"), 0, [85.0])
    run.summary["teacher"]["recipe"] = "plain-cifar10-wrn16_2"
    assert group_cells([run], [])["pair"] == "wrn_16_2 → wrn_10_1"


def test_seconds_of_two_devices_are_not_averaged():
    runs = [record(KD, seed, [85.0]) for seed in range(4)]
    runs[2].environment["device"], runs[2].summary["seconds"] = "NVIDIA H200", 4.0
    runs[3].environment["compiled"], runs[3].summary["seconds"] = True, 30.0
    (group,) = group_by_seed(runs)
    row = group_cells(group, [group])
    assert row["seconds"] == "60 and 4 and 30"
    assert row["device"] == "cpu, float32 and NVIDIA H200, float32 and cpu, float32, compiled"


@pytest.mark.parametrize(
    ("seeds", "said"),
    [((0,), "+3.00, one seed"), ((0, 4), "+3.00, one seed, of seed 0")],
)
def test_one_shared_seed_has_no_interval(seeds, said):
    runs = [record(PLAIN, 0, [80.0]), *(record(KD, seed, [83.0 + seed]) for seed in seeds)]
    groups = group_by_seed(runs)
    assert group_cells(groups[1], groups)["to plain, last"] == said


def test_an_interval_over_some_of_the_seeds_names_them():
    runs = [record(PLAIN, seed, [80.0]) for seed in (0, 1)]
    runs += [record(KD, seed, [83.0 + seed]) for seed in range(3)]
    groups = group_by_seed(runs)
    text = group_cells(groups[1], groups)["to plain, last"]
    assert text == "+3.50 [-2.85, +9.85], of seeds 0, 1"


def test_each_task_has_its_own_table(tmp_path):
    runs = [record(KD, 0, [84.0]), record(SEGMENTED, 0, [60.0, 58.0], task="segmentation")]
    text, files = write_report(runs, tmp_path)
    first, second = (block for block in text.split("\n\n") if block.startswith("|"))
    (accuracy,), (segmentation,) = cells(first), cells(second)
    assert "mIoU last (%)" not in accuracy and "top-1 last (%)" not in segmentation
    assert (segmentation["mIoU last (%)"], segmentation["mIoU best (%)"]) == ("58.00", "60.00")
    assert segmentation["published (%)"] == "71.60"
    assert all(file.stat().st_size for file in files)


def test_a_distilled_student_does_not_carry_the_numbers_of_others():
    kd = record(get_recipe("kd-cifar10-wrn28_4-wrn16_2", "laptop"), 0, [94.0])
    ofd = record(get_recipe("ofd-cifar10-wrn28_4-wrn16_2", "laptop"), 0, [94.0])
    plain = record(get_recipe("plain-cifar10-wrn16_2", "laptop"), 0, [92.0])
    assert published_text(kd.recipe) == ""
    assert published_text(ofd.recipe) == "95.23/99.79, 94.21"
    assert published_text(plain.recipe) == "93.43/99.75, 93.26"


def test_report_of_no_run_says_what_makes_one(own_folders, capsys):
    assert cli.main(["report"]) == 2
    assert "python -m distill_lib demo" in capsys.readouterr().err


def test_all_takes_no_folder(tmp_path, capsys):
    assert cli.main(["report", "--all", str(tmp_path)]) == 2
    assert "name no folder" in capsys.readouterr().err
