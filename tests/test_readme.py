"""The README's commands are run, or at least understood, and its Python block is executed."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from distill_lib import cli, paths
from distill_lib.recipes import SUITES
from distill_lib.records import load_record

README = (paths.ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = sorted(
    {
        line.split("#")[0].split("python -m distill_lib", 1)[1].strip()
        for language, block in BLOCKS
        for line in block.splitlines()
        if language == "bash" and "python -m distill_lib" in line
    }
)


@pytest.fixture
def nothing_is_trained(monkeypatch, tmp_path):
    """fit only notes what it was asked for; downloads are not made."""
    asked = []

    def note(recipe, **options):
        asked.append(recipe)
        record = load_record(paths.ROOT / "results" / "plain-fashion-wrn16_2" / "laptop" / "0")
        record.summary["teacher"] = {**record.last, **record.summary}
        return record

    monkeypatch.setattr("distill_lib.training.fit", note)
    monkeypatch.setattr("distill_lib.demo.fit", note)
    monkeypatch.setattr("distill_lib.demo.save_demo_figure", lambda records, path: path)
    monkeypatch.setattr("distill_lib.report.write_results", lambda: [paths.ROOT / "RESULTS.md"])
    monkeypatch.setattr("distill_lib.data.prepare", lambda name, download=False: None)
    monkeypatch.setattr(paths, "runs_dir", lambda: tmp_path)
    monkeypatch.chdir(paths.ROOT)
    return asked


@pytest.mark.parametrize("command", COMMANDS)
def test_command_line_is_understood(command, nothing_is_trained, capsys):
    assert cli.main(shlex.split(command)) == 0
    if command.startswith("train"):
        name = command.split()[1]
        wanted = SUITES.get(name, (name,))
        own = name.startswith("--")
        assert own or [r.name for r in nothing_is_trained[-len(wanted) :]] == list(wanted)
    assert capsys.readouterr().out


def test_there_are_commands_to_check():
    assert len(COMMANDS) >= 9


def test_python_block_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "runs_dir", lambda: tmp_path)
    (block,) = [block for language, block in BLOCKS if language == "python"]
    exec(block.replace("epochs=1", 'epochs=1, train_limit=100, budget="smoke"'), {})
    printed = capsys.readouterr().out
    assert "block2.layer.0.relu1" in printed and float(printed.splitlines()[-1]) >= 0


def test_make_targets_exist():
    targets = {
        target
        for language, block in BLOCKS
        if language == "bash"
        for target in re.findall(r"^make (\w+)", block, flags=re.MULTILINE)
    }
    assert targets >= {"demo", "test"}
    for target in targets:
        subprocess.run(["make", "-n", target], cwd=paths.ROOT, check=True, capture_output=True)


def test_make_test_is_what_the_readme_says():
    makefile = (paths.ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    for words in (
        "-m pytest -n 2 --dist loadscope --nbval-lax",
        "--nbval-sanitize-with notebooks/sanitize.cfg",
    ):
        assert words in README and words in re.sub(r"\s+", " ", makefile)


def test_linked_files_exist():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in link:
            assert (paths.ROOT / link).exists(), link


def test_environment_holds_only_what_pyproject_says():
    import yaml

    environment = yaml.safe_load((paths.ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert [spec.split(">")[0] for spec in conda] == ["python", "pip"]
    assert pip == {"pip": ["-e .[test]"]}
    assert Path(paths.ROOT / "pyproject.toml").is_file()
