"""The train command: recipes, suites, a loss_list, and a pair of one's own."""

import os
import subprocess
import sys

import pytest

from distill_lib import cli, cli_train, paths, training
from distill_lib.recipes import RECIPES, SUITES, as_dict, get_recipe
from distill_lib.records import RunRecord, load_record

TEACHER = "results/plain-fashion-wrn16_2/laptop/0"
SMALL = ["--budget", "smoke", "--train-limit", "100"]


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    """Runs go to a folder of the test; the working directory is the repository's."""
    monkeypatch.setattr(paths, "runs_dir", lambda: tmp_path / "runs")
    monkeypatch.chdir(paths.ROOT)
    return tmp_path / "runs"


def train(*words: str) -> int:
    return cli.main(["train", *words])


def test_several_recipes_are_trained_with_the_same_changes(own_runs):
    names = ["plain-fashion-wrn10_1", "kd-fashion-wrn16_2-wrn10_1"]
    assert train(*names, *SMALL, "--seed", "3") == 0
    records = [load_record(run.parent) for run in own_runs.rglob("run.json")]
    assert sorted(record.name for record in records) == sorted(names)
    assert all(record.recipe["seed"] == 3 for record in records)


def test_a_suite_is_its_recipes(own_runs, monkeypatch, capsys):
    monkeypatch.setattr("distill_lib.cli_train.SUITES", {"two": ("plain-fashion-wrn10_1",) * 2})
    assert train("two", *SMALL) == 0
    assert capsys.readouterr().out.count("plain-fashion-wrn10_1: top-1") == 2


def test_every_recipe_has_a_seed_before_the_next_one(own_runs, monkeypatch, capsys):
    names = ["plain-fashion-wrn10_1", "kd-fashion-wrn16_2-wrn10_1"]
    order = []
    ran = training.fit
    monkeypatch.setattr(
        training, "fit", lambda r, **o: order.append((r.seed, r.name)) or ran(r, **o)
    )
    assert train(*names, *SMALL, "--seeds", "0", "2") == 0
    assert order == [(seed, name) for seed in (0, 2) for name in names]
    first = [run.stat().st_mtime_ns for run in sorted(own_runs.rglob("last.safetensors"))]
    assert len(first) == 4
    said = capsys.readouterr().out
    assert train(*names, *SMALL, "--seeds", "0", "2") == 0
    assert capsys.readouterr().out == said  # finished runs are reported, not run again
    again = [run.stat().st_mtime_ns for run in sorted(own_runs.rglob("last.safetensors"))]
    assert again == first


def test_an_interrupted_seed_ends_the_command(monkeypatch, capsys):
    def interrupted(recipe, **options):
        record = RunRecord(paths.runs_dir() / str(recipe.seed), as_dict(recipe), {}, {})
        record.status, record.reason = "interrupted", "signal 15"
        return record

    monkeypatch.setattr(training, "fit", interrupted)
    assert train("plain-fashion-wrn10_1", "--seeds", "4", "5") == 143
    assert capsys.readouterr().out.count("the same command goes on") == 1


def test_list_shows_a_suite(capsys):
    assert cli.main(["list", "ofd-weight"]) == 0
    header, line, *rows = capsys.readouterr().out.splitlines()
    assert header.startswith("| recipe")
    assert [row.split("|")[1].strip() for row in rows] == list(SUITES["ofd-weight"])
    assert cli.main(["list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(RECIPES)
    assert cli.main(["list", "ofd-weights"]) == 2
    assert "unknown suite 'ofd-weights'" in capsys.readouterr().err


def test_a_loss_list_replaces_the_terms(own_runs, tmp_path):
    file = tmp_path / "losses.py"
    file.write_text(
        """loss_list = [
    {"loss_name": "CELoss", "loss_rate": 1, "factor": 1, "loss_type": "ce_family",
     "loss_rate_decay": "lrdv1"},
    {"loss_name": "CDLoss", "loss_rate": 6, "factor": 1, "loss_type": "fd_family",
     "loss_rate_decay": "lrdv1"},
]"""
    )
    assert train("kd-fashion-wrn16_2-wrn10_1", "--loss-list", str(file), *SMALL) == 0
    (run,) = own_runs.rglob("run.json")
    assert [term["term"] for term in load_record(run.parent).recipe["terms"]] == ["ce", "cd"]
    assert train("kd-cifar10-wrn16_2-wrn10_1", "--loss-list", str(file), *SMALL) == 0
    (of_cifar,) = own_runs.rglob("kd-cifar10*/**/run.json")
    schedules = [
        {term["decay"]["data"] for term in load_record(path.parent).recipe["terms"]}
        for path in (run, of_cifar)
    ]
    assert schedules == [{"imagenet"}, {"cifar"}]
    file.write_text("print('executed')")
    assert train("kd-fashion-wrn16_2-wrn10_1", "--loss-list", str(file), *SMALL) == 2


@pytest.mark.parametrize(
    ("student", "terms"),
    [
        ("torchvision/mobilenet_v2", "ofd"),
        ("torchvision/resnet18", "cd,gkd"),
        ("torchvision/shufflenet_v2_x0_5", "ofd"),
        ("resnet20_cifar", "at,rkd"),
        ("timm/regnetx_002", "ofd,kd"),
    ],
)
def test_any_student_learns_from_a_finished_run(own_runs, student, terms):
    if student.startswith("timm/"):
        pytest.importorskip("timm")
    words = ["--teacher", TEACHER, "--student", student, "--data", "fashion", "--terms", terms]
    assert train(*words, *SMALL) == 0
    (run,) = own_runs.rglob("run.json")
    record = load_record(run.parent)
    assert record.status == "finished"
    assert {term["term"] for term in record.recipe["terms"]} == {"ce", *terms.split(",")}


def test_what_is_compared_is_said_before_training(own_runs, capsys):
    words = ["--teacher", TEACHER, "--student", "resnet18", "--data", "fashion", "--terms", "ofd"]
    assert train(*words, "--train-limit", "100", "--epochs", "1") == 0
    said = capsys.readouterr().out
    assert "ofd: teacher's pre relu -> student's pre layer1.1.relu (stride 4)" in said
    assert "ofd: left out teacher's pre block2.layer.0.relu1 (stride 1)" in said
    assert "ofd: left out student's pre layer4.1.relu (stride 32)" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--terms", "ofd", "--student", "wrn_10_1"], "needs --teacher, --data"),
        (["plain-fashion-wrn10_1", "--terms", "ofd"], "Leave one out"),
        (["seed2", "--out", "somewhere"], "--out names one folder, and 9 runs"),
        (["seed3"], "unknown recipe 'seed3'"),
        (["plain-fashion-wrn10_1", "--seeds", "1", "2", "--out", "x"], "one folder, and 2 runs"),
        (["plain-fashion-wrn10_1", "--seeds", "1", "--seed", "2"], "leave one out"),
    ],
)
def test_what_does_not_fit_together_is_refused(words, said, capsys):
    assert train(*words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("terms", "said"), [("odf", "unknown term 'odf'"), ("kd,kd", "names a term twice")]
)
def test_terms_of_ones_own_must_exist(terms, said, capsys):
    words = ["--teacher", TEACHER, "--student", "wrn_10_1", "--data", "fashion", "--terms", terms]
    assert train(*words) == 2
    assert said in capsys.readouterr().err


def test_what_a_run_prints_of_its_speed(tmp_path):
    epochs = [
        {"epoch": i, "top1": top1, "seconds": 10.0, "evaluation_seconds": 2.0} | {"lr": 0.1}
        for i, top1 in enumerate((49.0, 81.0, 80.5), start=1)
    ]
    epochs[-1]["images_per_second"] = 1234.4
    record = RunRecord(tmp_path, {"name": "run"}, {}, {}, epochs=epochs)
    assert record.seconds_to(49.0) == 12.0
    assert record.seconds_to(90.0) is None
    assert cli_train.speed(record) == "1,234 images/s, 50 % after 24 s, 80 % after 24 s"


def test_ofds_weight_goes_by_the_size_that_is_asked_for():
    from argparse import Namespace

    known = Namespace(terms="ofd", budget="smoke")
    pair = ["--teacher", TEACHER, "--student", "wrn_10_1", "--data", "folder:mine"]
    for size, weight in ((), 1e-4), (("--image-size", "32"), 1e-3), (("--image-size=224",), 1e-4):
        recipe = cli_train._own_pair(known, [], [*pair, *size])
        assert recipe.terms[1].weight == weight
    recipe = cli_train._own_pair(known, [], [*pair, "--image-size=32", "--terms.1.weight", "0.5"])
    assert recipe.terms[1].weight == 0.5 and recipe.image_size == 32


@pytest.mark.parametrize(
    "name",
    [
        "cd_gkd_edt-cifar10-wrn16_2-wrn10_1",
        "ofd-camvid-resnet50-resnet18",
        "ofd-bccd-resnet50-resnet18",
        "plain-fashion-wrn10_1",
    ],
)
def test_the_help_shows_every_field_as_the_command_takes_it(name, capsys, monkeypatch):
    assert train(name, "--budget", "laptop", "--help") == 0
    words = capsys.readouterr().out.split("and their values:")[1].split()
    shown = {word for word in words if word.startswith("--")}
    assert {"--pretrained", "--evaluate_every", "--optim.lr_factors", "--seed"} < shown
    asked = []
    monkeypatch.setattr(cli_train, "_train_one", lambda known, recipe: asked.append(recipe))
    assert train(name, "--budget", "laptop", *words) == 0
    assert asked == [get_recipe(name, "laptop")]


def test_yes_and_no_are_set_as_the_help_shows_them(own_runs):
    words = ["--optim.nesterov", "False", "--optim.momentum", "0", "--epochs", "1"]
    assert train("plain-fashion-wrn10_1", *SMALL, *words) == 0
    (run,) = own_runs.rglob("run.json")
    assert load_record(run.parent).recipe["optim"]["nesterov"] is False


def test_fields_before_any_recipe_are_told(capsys):
    assert train("--optim.lr", "0.1", "plain-fashion-wrn10_1") == 2
    assert "comes before any recipe" in capsys.readouterr().err


def test_nobody_reads_on_and_nothing_is_said_of_it():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "distill_lib", "list"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, cwd=paths.ROOT)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
