"""Real training processes are killed at random times, and inside a save, and resumed."""

import json
import os
import random
import time

import pytest

from distill_lib.training import checkpoints

from .deadly import SETTINGS, run_and_die
from .helpers import STEPS, metrics, run_tiny, same_weights, watched_data
from .processes import ended, start

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(os.name != "posix", reason="forks and SIGKILL are POSIX"),
]
TRIALS = 25 if os.environ.get("LONG") else 4
EVERY = 2


def run_logged(out, method):
    run_tiny(out, method, images=watched_data(log=f"{out}.log"), checkpoint_steps=EVERY)


def steps_begun(log) -> int:
    """Steps that the log names, of a process that may have died before it wrote one."""
    written = log.read_text().split() if log.exists() else []
    return int(written[-1]) + 1 if written else 0


def leftovers(run) -> list[str]:
    """Temporary files, and payloads or commit records without their other half."""
    found = [path.name for path in run.rglob("*.tmp")]
    halves = {path.stem for path in run.glob("ckpt/*.pt")}
    return found + sorted(halves ^ {path.stem for path in run.glob("ckpt/*.json")})


@pytest.mark.parametrize("method", ["ofd", "plain"])
def test_killed_at_random_and_resumed(method, tmp_path):
    assert ended([start(tuple)]) == [0]  # the server has loaded torch
    begun = time.perf_counter()
    assert ended([start(run_logged, tmp_path / "first", method)]) == [0]
    seconds = time.perf_counter() - begun
    whole = run_tiny(tmp_path / "whole", method)
    dice = random.Random(0)
    kills = identical = lost = most_steps = 0
    for trial in range(TRIALS):
        out = tmp_path / str(trial)
        for _ in range(2):
            child = start(run_logged, out, method)
            time.sleep(dice.uniform(0, 0.8 * seconds))
            child.kill()
            kills += ended([child]) == [-9]
            commit, skipped = checkpoints.newest(out / "ckpt")
            begun_steps = steps_begun(tmp_path / f"{trial}.log")
            most_steps = max(most_steps, begun_steps - (commit.step if commit else 0))
            lost += len(skipped)
        resumed = run_tiny(out, method, checkpoint_steps=EVERY)
        identical += same_weights(resumed, whole) and metrics(resumed) == metrics(whole)
        assert leftovers(out) == []
    print(
        f"\n{method}: {kills} kills, {identical}/{TRIALS} final weights bit-identical, "
        f"checkpoints lost: {lost}, most steps begun and lost: {most_steps}"
    )
    assert (identical, lost) == (TRIALS, 0)
    # A step that is due is begun, done, and not yet saved when the next would be.
    assert most_steps <= EVERY + 1


@pytest.mark.parametrize("stretch", ["save", "finish"])
def test_killed_at_every_operation_inside_a_save(stretch, tmp_path):
    listed = tmp_path / "names.json"
    assert ended([start(run_and_die, tmp_path / "whole", stretch, None, listed)]) == [0]
    names = json.loads(listed.read_text())
    assert set(names) == {"open", "write", "fsync", "replace", "unlink"}
    whole = run_tiny(tmp_path / "whole", **SETTINGS)
    least = {"save": STEPS, "finish": 2 * STEPS}[stretch]
    accepted = identical = 0
    for point, name in enumerate(names):
        out = tmp_path / f"{point}"
        where = f"{stretch}, before operation {point}: {name}"
        assert ended([start(run_and_die, out, stretch, point)]) == [-9], where
        commit, skipped = checkpoints.newest(out / "ckpt")
        assert commit.step >= least and skipped == [], where
        accepted += checkpoints.load(commit, whole.identity)["step"] != commit.step
        resumed = run_tiny(out, **SETTINGS)
        identical += same_weights(resumed, whole) and same_weights(resumed, whole, "best")
        assert metrics(resumed) == metrics(whole) and leftovers(out) == [], where
    print(
        f"\n{stretch}: {len(names)} kills, identical {identical}/{len(names)}, "
        f"half files accepted: {accepted}"
    )
    assert (identical, accepted) == (len(names), 0)
