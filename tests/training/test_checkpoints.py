"""A checkpoint is whole, of this recipe, and executes nothing, or it is refused."""

import builtins
import errno
import io
import json
import os
import pickle
import random
import tarfile
from dataclasses import fields

import pytest
import torch

from distill_lib import files, load_record
from distill_lib.data import Augment
from distill_lib.errors import CheckpointError, DistillError, RecipeMismatchError
from distill_lib.recipes import CE, OFD, Optim, Recipe
from distill_lib.recipes.recipe import FREE
from distill_lib.training import checkpoints

from .helpers import STEPS, Cut, run_tiny, same_weights, script_top1, watched_data

MINE = {"epochs": 3}


@pytest.fixture
def two(tmp_path):
    """A folder with two checkpoints."""
    for step in (3, 12):
        state = {"step": step, "weights": torch.arange(64.0) + step}
        checkpoints.save(tmp_path, state, MINE, best_step=3)
    return tmp_path


@pytest.mark.faults
def test_no_damage_is_accepted(two):
    payload = two / "step-00000012.pt"
    whole = payload.read_bytes()
    damaged = [whole[:n] for n in range(0, len(whole), 97)]
    dice = random.Random(0)
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        damaged.append(bytes(flipped))
    damaged += [b"", dice.randbytes(len(whole)), whole + b"\0"]
    accepted = 0
    for data in damaged:
        payload.write_bytes(data)
        commit, skipped = checkpoints.newest(two)
        accepted += commit.step == 12
        assert "step-00000012.pt: SHA-256 differs" in skipped[0]
    print(f"\ndamaged files accepted: {accepted}/{len(damaged)}")
    assert accepted == 0
    payload.write_bytes(whole)
    assert checkpoints.newest(two)[0].step == 12


@pytest.mark.faults
def test_a_damaged_commit_record_never_lets_another_payload_in(two):
    record = two / "step-00000012.json"
    whole = record.read_bytes()
    expected = checkpoints.read(two / "step-00000012.pt")
    dice = random.Random(1)
    damaged = [whole[:n] for n in range(0, len(whole), 7)]
    for _ in range(200):
        flipped = bytearray(whole)
        flipped[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        damaged.append(bytes(flipped))
    damaged += [b"[]", b"null", b'{"step": null, "sha256": 1, "identity": {}}']
    for data in damaged:
        record.write_bytes(data)
        commit, skipped = checkpoints.newest(two)
        if commit.payload.name == "step-00000012.pt":
            state = checkpoints.read(commit.payload)
            assert torch.equal(state["weights"], expected["weights"]) and not skipped
        else:
            assert commit.step == 3 and "step-00000012" in skipped[0]


def test_a_folder_or_a_missing_file_in_its_place(two):
    payload = two / "step-00000012.pt"
    payload.unlink()
    assert checkpoints.newest(two)[0].step == 3
    payload.mkdir()
    commit, skipped = checkpoints.newest(two)
    assert commit.step == 3 and "missing" in skipped[0]
    with pytest.raises(CheckpointError, match="not a file"):
        checkpoints.read(payload)


def test_all_corrupt_names_each(two):
    for name in ("step-00000003.pt", "step-00000012.pt"):
        (two / name).write_bytes(b"x")
    with pytest.raises(CheckpointError) as error:
        checkpoints.newest(two)
    assert "step-00000003.pt" in str(error.value) and "step-00000012.pt" in str(error.value)
    assert "--fresh" in str(error.value)


def test_none_at_all_is_a_fresh_start(tmp_path):
    assert checkpoints.newest(tmp_path / "none") == (None, [])


def test_the_last_two_and_the_best_are_kept(tmp_path):
    for step in (8, 9, 10, 11, 100):
        checkpoints.save(tmp_path, {"step": step}, MINE, best_step=9)
    steps = sorted(int(p.stem.split("-")[1]) for p in tmp_path.glob("*.pt"))
    assert steps == [9, 11, 100]


@pytest.fixture(scope="module")
def cut_run(tmp_path_factory):
    """A run that was cut before step 5: it has checkpoints of steps 2 and 4."""
    out = tmp_path_factory.mktemp("cut")
    with pytest.raises(Cut):
        run_tiny(out, images=watched_data(cut_before=5))
    return out


def test_the_newest_is_corrupt_so_the_one_before_is_used(capsys, tmp_path):
    with pytest.raises(Cut):
        run_tiny(tmp_path, images=watched_data(cut_before=5))
    (tmp_path / "ckpt" / "step-00000004.pt").write_bytes(b"damaged")
    data = watched_data()
    resumed = run_tiny(tmp_path, images=data)
    assert "skipped step-00000004.pt: SHA-256 differs" in capsys.readouterr().out
    assert data.seen[0][0] == 2 and resumed.status == "finished"


def test_a_run_with_no_checkpoint_left_says_so_and_changes_nothing(tmp_path):
    with pytest.raises(Cut):
        run_tiny(tmp_path, images=watched_data(cut_before=5))
    for payload in tmp_path.glob("ckpt/*.pt"):
        payload.write_bytes(b"damaged")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json*")}
    with pytest.raises(CheckpointError, match=r"(?s)step-0+4\.pt.*step-0+2\.pt.*--fresh"):
        run_tiny(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json*")} == before


CHANGES = {
    "augment.flip": {"augment": Augment((1.0,) * 3, (1.0,) * 3)},
    "batch_size": {"batch_size": 13},
    "data": {"data": "other"},
    "epochs": {"epochs": 4},
    "optim.lr": {"optim": Optim(lr=0.06, milestones=(1, 2), milestones_of=3)},
    "optim.milestones": {"optim": Optim(lr=0.05, milestones=(1,), milestones_of=3)},
    "precision": {"precision": "bf16"},
    "pretrained": {"pretrained": "other"},
    "seed": {"seed": 5},
    "student": {"student": "other"},
    "teacher": {"teacher": "other"},
    "teacher_mode": {"teacher_mode": "train"},
    "teacher_model": {"teacher_model": "other"},
    "terms.1.divisors": {"terms": (CE(), OFD(weight=1e-2, divisors=(1.0, 2.0)))},
    "terms.1.weight": {"terms": (CE(), OFD(weight=2e-2))},
    "train_limit": {"train_limit": 4},
}


@pytest.mark.parametrize("field", CHANGES)
def test_another_recipes_checkpoint_is_refused(field, cut_run):
    before = load_record(cut_run)
    with pytest.raises(RecipeMismatchError) as error:
        run_tiny(cut_run, **CHANGES[field])
    _, *listed, last = str(error.value).splitlines()
    named = [line.split(":")[0].strip() for line in listed]
    if field == "augment.flip":
        assert all(name.startswith("augment") for name in named)
    else:
        assert named == [field]
    assert all("(saved) != " in line for line in listed) and "--fresh" in last
    assert load_record(cut_run) == before


def test_every_identity_field_was_changed():
    # Another image_size is refused before any checkpoint is looked at.
    changed = {name.split(".")[0] for name in CHANGES} | {"image_size"}
    names = {field.name for field in fields(Recipe)}
    assert changed | FREE == names
    assert changed & FREE == set()


def test_every_key_of_an_identity_is_compared(cut_run):
    commit, _ = checkpoints.newest(cut_run / "ckpt")
    found = {"data_digest", "student_shapes", "world_size", "teacher_digest"}
    assert found < commit.identity.keys()
    for key in commit.identity:
        with pytest.raises(RecipeMismatchError) as error:
            checkpoints.load(commit, commit.identity | {key: "other"})
        listed = str(error.value).splitlines()[1:-1]
        assert [line.split(":")[0].strip() for line in listed] == [key]
        fewer = {k: v for k, v in commit.identity.items() if k != key}
        if commit.identity[key] is not None:
            with pytest.raises(RecipeMismatchError, match=key):
                checkpoints.load(commit, fewer)


def test_free_fields_may_change(cut_run):
    changes = {"paper": "x", "note": "y", "name": "z", "budget": "paper"}
    changes |= {"checkpoint_steps": 3, "evaluate_every": 2}
    assert set(changes) | {"published"} == FREE
    assert run_tiny(cut_run, **changes).status == "finished"


class Hostile:
    def __init__(self, call, argument):
        self.what = call, (argument,)

    def __reduce__(self):
        return self.what


def legacy_tar(content) -> bytes:
    """What torch.save wrote before 0.1.10, as far as torch.load looks before it unpickles."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("storages", "tensors", "pickle"):
            member = tarfile.TarInfo(name)
            data = pickle.dumps(content)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def hostile_bytes(form: str, content) -> bytes:
    buffer = io.BytesIO()
    if form in ("zip", "before 1.6"):
        new = form == "zip"
        torch.save({"x": content}, buffer, _use_new_zipfile_serialization=new)
        return buffer.getvalue()
    return legacy_tar(content) if form == "tar" else pickle.dumps(content, protocol=2)


@pytest.mark.faults
@pytest.mark.parametrize("form", ["zip", "before 1.6", "tar", "bare pickle"])
@pytest.mark.parametrize("call", [os.system, eval])
def test_a_hostile_file_executes_nothing(call, form, two):
    canary = two / "canary"
    python = f"open({str(canary)!r}, 'w')"
    argument = f"echo x > {canary}" if call is os.system else python
    data = hostile_bytes(form, Hostile(call, argument))
    payload = two / "step-00000012.pt"
    payload.write_bytes(data)
    record = json.loads((two / "step-00000012.json").read_text())
    record["sha256"] = files.sha256_of(payload)  # whoever writes the one can write the other
    (two / "step-00000012.json").write_text(json.dumps(record))
    commit, _ = checkpoints.newest(two)
    with pytest.raises(CheckpointError, match="no checkpoint that can be trusted"):
        checkpoints.load(commit, MINE)
    assert commit.step == 12 and not canary.exists()


def test_a_checkpoint_holds_plain_values_only(cut_run):
    commit, _ = checkpoints.newest(cut_run / "ckpt")
    with torch.serialization.safe_globals([]):
        state = torch.load(commit.payload, weights_only=True)
    plain = (torch.Tensor, str, int, float, bool, type(None))

    def check(value):
        if isinstance(value, dict):
            value = [*value.keys(), *value.values()]
        if isinstance(value, list | tuple):
            for inner in value:
                check(inner)
        else:
            assert isinstance(value, plain), type(value)

    check(state)


class FullDisk:
    """A file that takes so many bytes more, over all files together."""

    def __init__(self, left: int):
        self.left = left

    def open(self, path, mode):
        file = builtins.open(path, mode)
        write = file.write

        class Limited:
            __getattr__ = lambda _, name: getattr(file, name)  # noqa: E731
            __enter__ = lambda limited: limited  # noqa: E731
            __exit__ = lambda _, *exc: file.close()  # noqa: E731

            def write(_, data):
                self.left -= memoryview(data).nbytes
                if self.left < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return write(data)

        return Limited()


@pytest.mark.faults
@pytest.mark.parametrize("part", range(20))
def test_a_full_disk_leaves_what_was_there(part, two, monkeypatch):
    size = sum((two / f"step-00000012.{ending}").stat().st_size for ending in ("pt", "json"))
    disk = FullDisk(size * part // 20)
    monkeypatch.setattr(files, "open", disk.open, raising=False)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    state = {"step": 13, "weights": torch.arange(64.0)}
    with pytest.raises(CheckpointError, match=r"(?s)disk full.*bytes are free.*Make room"):
        checkpoints.save(two, state, MINE, best_step=3)
    commit, _ = checkpoints.newest(two)
    assert checkpoints.load(commit, MINE)["weights"][0] == 12
    assert not list(two.glob(".*")) and not list(two.glob("*13.json"))


@pytest.mark.faults
def test_a_run_whose_disk_fills_goes_on_when_there_is_room(tmp_path, monkeypatch):
    whole = run_tiny(tmp_path / "whole")
    out = tmp_path / "run"
    monkeypatch.setattr("distill_lib.training.checkpoints.time.sleep", lambda seconds: None)
    with monkeypatch.context() as patch:
        patch.setattr(files, "open", FullDisk(120_000).open, raising=False)
        with pytest.raises(CheckpointError, match="disk full while writing"):
            run_tiny(out)
    commit, skipped = checkpoints.newest(out / "ckpt")
    assert commit.step >= 2 and skipped == []
    data = watched_data()
    resumed = run_tiny(out, images=data)
    assert data.seen[0][0] == commit.step and same_weights(resumed, whole)


def test_a_run_outlives_a_save_that_fails(tmp_path, monkeypatch, capsys):
    whole = run_tiny(tmp_path / "whole")
    monkeypatch.setattr("distill_lib.training.checkpoints.time.sleep", lambda seconds: None)
    script_top1(monkeypatch, 60.0, 50.0, 40.0)
    real = checkpoints.write_atomically

    def fail_after_the_first_epoch(path, write):
        if path.name == f"step-{STEPS:08d}.pt":
            raise DistillError("disk full while writing")
        real(path, write)

    monkeypatch.setattr(checkpoints, "write_atomically", fail_after_the_first_epoch)
    record = run_tiny(tmp_path / "run")
    assert record.status == "finished" and same_weights(record, whole)
    assert load_record(record.path).summary["failed_saves"] == 1
    said = capsys.readouterr().err
    assert "disk full while writing\nTraining goes on; failed saves: 1." in said
    assert "no weights of the best epoch" in said and "best.safetensors" not in record.weights


def test_a_failed_write_is_tried_again(two, monkeypatch):
    failures = [OSError(errno.EIO, "Input/output error")] * (checkpoints.RETRIES - 1)
    real = os.replace

    def replace(source, target):
        if failures:
            raise failures.pop()
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    checkpoints.save(two, {"step": 13}, MINE, best_step=3)
    assert failures == [] and checkpoints.newest(two)[0].step == 13


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "Permission denied"), None])
def test_a_folder_that_cannot_be_written_is_refused_before_training(error, tmp_path, monkeypatch):
    out = tmp_path / "run"
    if error is None:
        (tmp_path / "file").write_text("in the way")
        out = tmp_path / "file" / "run"
    else:

        def denied(*args, **kwargs):
            raise error

        monkeypatch.setattr("distill_lib.training.run_folder.FileLock.acquire", denied)
    data = watched_data()
    with pytest.raises(DistillError, match=r"(?s)cannot write .*--out"):
        run_tiny(out, images=data)
    assert data.seen == []


def test_a_folder_for_checkpoints_that_cannot_be_made_is_an_error_of_ours(tmp_path, monkeypatch):
    monkeypatch.setattr("distill_lib.training.checkpoints.time.sleep", lambda seconds: None)
    (tmp_path / "ckpt").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot write"):
        run_tiny(tmp_path)
    assert load_record(tmp_path).status == "failed"
