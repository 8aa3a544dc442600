"""RESULTS.md: the committed page is the one that the records make, and what it says of them."""

import re
import shlex

import matplotlib.pyplot as plt
import pytest

from distill_lib import cli, paths, plots
from distill_lib.files import write_json
from distill_lib.recipes import SUITES
from distill_lib.records import find_records
from distill_lib.report import TABLES, Table, results_page, write_results
from distill_lib.report.figures import has_similarity, stage_similarity, training_multiply_adds
from report.helpers import KD, OFD, PLAIN, record

SMALL = Table("small-pair", "Small", "A sentence.", (PLAIN, KD, OFD), seeds=2)
COMMITTED = paths.ROOT / "RESULTS.md"


def test_the_committed_page_is_what_the_records_say():
    made = results_page(find_records(paths.results_dir()), paths.ROOT)
    again = "it is old: python -m distill_lib report --all"
    assert COMMITTED.read_text(encoding="utf-8") == made, again


def test_every_link_of_the_page_leads_somewhere():
    targets = re.findall(r"\]\(([^)]+)\)", COMMITTED.read_text(encoding="utf-8"))
    assert any(target.endswith("run.json") for target in targets)
    assert any(target.endswith(".png") for target in targets)
    assert [target for target in targets if not (paths.ROOT / target).exists()] == []


def test_what_was_not_run_is_listed_with_its_command(monkeypatch):
    runs = [record(PLAIN, 0, [80.0]), record(KD, 0, [83.0]), record(KD, 1, [84.0])]
    page = results_page(runs, runs[0].path.parents[3], [SMALL])
    assert f"[0](results/{PLAIN}/laptop/0/run.json)" in page
    assert "Of 6 planned runs 3 are here" in page
    (row,) = (line for line in page.splitlines() if line.startswith(f"| {OFD} "))
    assert "not run" in row and "run.json" not in row
    commands = re.findall(r"^python -m distill_lib (.*)$", page, flags=re.MULTILINE)
    asked = []
    monkeypatch.setattr("distill_lib.cli_train._train_one", lambda known, r: asked.append(r))
    for command in commands:
        assert cli.main(shlex.split(command)) == 0
    assert {(r.name, r.budget, r.seed) for r in asked} == {
        (PLAIN, "laptop", 1),
        (OFD, "laptop", 0),
        (OFD, "laptop", 1),
    }


def test_nothing_run_is_a_page_of_commands():
    page = results_page([], paths.ROOT)
    assert "run.json" not in page.partition("## ")[2] and ".png" not in page
    assert page.count("## ") == len(TABLES) == page.count("Not run yet")
    assert "train seed2 --budget laptop" in page


def test_a_run_of_no_table_stands_at_the_end(tmp_path):
    other = record(KD, 0, [83.0], root=tmp_path / "results")
    other.path = tmp_path / "results" / KD / "laptop-0badcafe" / "0"
    page = results_page([other], tmp_path, [SMALL])
    assert "laptop-0badcafe/0/run.json" in page.partition("## Other runs")[2]
    assert "Of 6 planned runs 0 are here" in page


def test_a_design_table_says_what_each_row_changes():
    table = next(table for table in TABLES if table.name == "ofd-design")
    page = results_page([], paths.ROOT, [table])
    changes = {
        row.split("|")[1].strip().split("-")[0]: row.split("|")[2].strip()
        for row in page.splitlines()
        if row.startswith("| ") and "cifar10" in row
    }
    assert changes["plain"] == "–" and changes["ofd"] == "none"
    assert changes["ofd_l1"] == "distance l1" and changes["ofd_train"] == "teacher_mode train"
    assert len(changes) == len(SUITES["ofd-design"])


@pytest.mark.parametrize("suite", ["small-pair", "ofd-design", "ofd-weight", "cd-variants"])
def test_a_figure_calls_every_row_of_a_suite_by_words_of_its_own(suite):
    labels = [plots.label_of(name) for name in SUITES[suite]]
    assert len(set(labels)) == len(labels)
    assert not any("_" in label for label in labels)


def test_figures_are_drawn_where_there_are_runs_for_them(tmp_path):
    names = (
        "plain-cifar10-wrn10_1",
        "kd-cifar10-wrn16_2-wrn10_1",
        "cd_gkd-cifar10-wrn16_2-wrn10_1",
    )
    for i, name in enumerate(names):
        for seed in range(2):
            record(name, seed, [60.0 + i, 80 + i + seed / 3], root=tmp_path / "results").save()
    for name, value in zip(names, (0.2, 0.6, 0.4), strict=True):
        cka = [[value] * 3 for _ in range(3)]
        write_json(tmp_path / "results" / name / "laptop" / "0" / "cka.json", {"cka": cka})
    scarce = ("plain-cifar10-wrn10_1-10pct", "kd-cifar10-wrn16_2-wrn10_1-10pct")
    for name in scarce:
        record(name, 0, [60.0], root=tmp_path / "results", images=5000).save()
    files = [str(file.relative_to(tmp_path)) for file in write_results(tmp_path)]
    assert files == [
        "RESULTS.md",
        "results/figures/small-pair-dots.png",
        "results/figures/small-pair-gain.png",
        "results/figures/small-pair-cost.png",
        "results/figures/small-pair-cka.png",
        "results/figures/scarce-labels-labels.png",
    ]
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert all(f"]({file})" in page for file in files[1:])


def test_the_similarity_of_seeds_stands_in_one_row(tmp_path):
    groups = []
    for name, values in ((PLAIN, (0.3, 0.5)), (KD, (0.6,))):
        runs = [record(name, seed, [80.0], root=tmp_path) for seed in range(len(values))]
        for run, value in zip(runs, values, strict=True):
            write_json(run.path / "cka.json", {"cka": [[value] * 3] * 3})
        groups.append(runs)
    odd = record(OFD, 0, [80.0], root=tmp_path)
    write_json(odd.path / "cka.json", {"cka": [[0.1] * 3]})
    groups.append([odd])
    figure, axes = stage_similarity(groups)
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["KD", "alone"]
    dots = [line.get_xdata().tolist() for line in axes[0].lines]
    assert dots == [[0.6], [0.3, 0.5]]
    assert not has_similarity(groups[:1])
    plt.close(figure)


@pytest.mark.parametrize(("recipe", "image"), [(PLAIN, 37_500_000), (KD, 137_500_000)])
def test_training_costs_three_student_passes_and_one_of_the_teacher(recipe, image):
    assert training_multiply_adds(record(recipe, 0, [80.0]), 2) == image * 50_000 * 2
