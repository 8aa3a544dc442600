"""The train command: recipes, suites, a loss_list, and a pair of one's own."""

import pytest

from distill_lib import cli, paths
from distill_lib.records import load_record

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
