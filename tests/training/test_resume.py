"""A run that is cut and resumed ends where the uninterrupted one ends, bit for bit."""

import pytest
import torch

from distill_lib.recipes import Optim
from distill_lib.records import load_record
from distill_lib.training import checkpoints

from .helpers import (
    BATCH,
    EPOCHS,
    NUM_TRAIN,
    STEPS,
    TOTAL,
    Cut,
    metrics,
    rewrite,
    run_tiny,
    same_weights,
    script_top1,
    watched_data,
)

PLACES = {
    "step 1": 1,
    "mid-epoch": 4,
    "before the last batch": STEPS - 1,
    "epoch end": STEPS,
    "after the rate dropped": STEPS + 3,
    "after the last step": TOTAL,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Uninterrupted runs by method and the recipe's changes, with the samples they saw."""
    done = {}

    def run(method, **changes):
        key = method, *sorted(changes.items())
        if key not in done:
            data = watched_data()
            record = run_tiny(tmp_path_factory.mktemp("whole"), method, images=data, **changes)
            done[key] = record, data.seen
        return done[key]

    return run


@pytest.mark.faults
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("method", ["ofd", "kd"])
@pytest.mark.parametrize("place", PLACES)
def test_resumed_run_is_the_same_run(place, method, mode, whole, tmp_path):
    data = watched_data(signal_in=PLACES[place] - 1)
    stopped = run_tiny(tmp_path, method, images=data, teacher_mode=mode)
    assert (stopped.status, len(data.seen)) == ("interrupted", PLACES[place])
    data.signal_in = None
    torch.manual_seed(99)  # the global random state is another one in another process
    resumed = run_tiny(tmp_path, method, images=data, teacher_mode=mode)
    expected, seen = whole(method, teacher_mode=mode)
    assert same_weights(resumed, expected) and same_weights(resumed, expected, "best")
    assert metrics(resumed) == metrics(expected)
    assert data.seen == seen  # each batch once, in the same order


@pytest.mark.faults
@pytest.mark.parametrize("place", [0, 1, 3, STEPS, STEPS + 1, TOTAL - 1])
def test_a_run_that_broke_off_goes_on_from_its_newest_checkpoint(place, whole, tmp_path):
    data = watched_data(cut_before=place)
    with pytest.raises(Cut):
        run_tiny(tmp_path, images=data)
    data.cut_before, data.seen = None, []
    resumed = run_tiny(tmp_path, images=data)
    expected, seen = whole("ofd")
    assert same_weights(resumed, expected) and metrics(resumed) == metrics(expected)
    assert place - 2 < data.seen[0][0] <= place and data.seen == seen[data.seen[0][0] :]


def test_an_epoch_shows_every_sample_once(whole):
    _, seen = whole("ofd")
    for epoch in range(EPOCHS):
        batches = [samples for step, samples in seen if step // STEPS == epoch]
        assert sorted(sum(batches, [])) == list(range(NUM_TRAIN))
        assert [len(samples) for samples in batches] == [BATCH] * (STEPS - 1) + [4]


def test_two_runs_are_the_same_whatever_the_global_random_state(whole, tmp_path):
    torch.manual_seed(123)
    before = torch.get_rng_state()
    again = run_tiny(tmp_path / "again")
    assert torch.equal(torch.get_rng_state(), before)
    assert same_weights(again, whole("ofd")[0])
    assert not same_weights(run_tiny(tmp_path / "other", seed=1), again)


def perturb(prefix, factor=1.01):
    def change(state):
        for key, value in state["distiller"].items():
            if key.startswith(prefix) and value.is_floating_point():
                value.mul_(factor)

    return change


def weights(resumed, expected):
    return same_weights(resumed, expected)


def history(resumed, expected):
    return metrics(resumed) == metrics(expected)


NEGATIVE_CONTROLS = {
    "student": (perturb("student."), weights),
    "connectors": (perturb("terms.1.connectors"), weights),
    "momentum": (lambda s: s["optimizer"]["state"].clear(), weights),
    "step": (lambda s: s.update(step=s["step"] - 1), weights),
    "epoch": (lambda s: s.update(epoch=s["epoch"] - 1), weights),
    "batch": (lambda s: s.update(batch=0), weights),
    "rng": (lambda s: s["rng"].update(torch=torch.Generator().get_state()), weights),
    "meters": (lambda s: s.update(meters={}), history),
    "epochs": (lambda s: s.update(epochs=[]), history),
}
OF_THE_BEST = {
    "best_step": lambda s: s.update(best_step=s["step"]),
    "best_value": lambda s: s.update(best_value=-1.0),
}
WITHOUT_EFFECT = {"scaler", "seconds", "others"}
"""The scaler is off outside fp16; times change no step; there are no other processes."""


@pytest.mark.faults
@pytest.mark.parametrize("field", NEGATIVE_CONTROLS)
def test_every_field_of_a_checkpoint_matters(field, whole, tmp_path):
    rising = {"optim": Optim(lr=0.05, schedule="one_cycle")}  # the rate depends on the step
    run_tiny(tmp_path, images=watched_data(signal_in=STEPS + 3), **rising)
    commit, _ = checkpoints.newest(tmp_path / "ckpt")
    change, agrees = NEGATIVE_CONTROLS[field]
    rewrite(commit, change)
    expected, _ = whole("ofd", **rising)
    assert not agrees(run_tiny(tmp_path, **rising), expected)


@pytest.mark.faults
@pytest.mark.parametrize("field", [None, *OF_THE_BEST])
def test_what_is_known_of_the_best_epoch_matters(field, tmp_path, monkeypatch):
    script_top1(monkeypatch, 30.0, 20.0, 10.0)
    expected = run_tiny(tmp_path / "whole")
    script_top1(monkeypatch, 30.0, 20.0, 10.0)
    run_tiny(tmp_path / "run", images=watched_data(signal_in=STEPS + 3))
    if field is not None:
        commit, _ = checkpoints.newest(tmp_path / "run" / "ckpt")
        rewrite(commit, OF_THE_BEST[field])
    resumed = run_tiny(tmp_path / "run")
    assert same_weights(resumed, expected, "best") == (field is None)


def test_the_negative_controls_cover_a_checkpoint(tmp_path):
    run_tiny(tmp_path, images=watched_data(signal_in=0))
    commit, _ = checkpoints.newest(tmp_path / "ckpt")
    state = checkpoints.read(commit.payload)
    tested = {*NEGATIVE_CONTROLS, *OF_THE_BEST} - {"student", "connectors", "momentum"}
    assert state.keys() == tested | WITHOUT_EFFECT | {"format", "distiller", "optimizer"}
    assert state["rng"].keys() == {"python", "torch", "cuda"}


@pytest.mark.faults
@pytest.mark.parametrize(
    "change",
    [lambda state: None, perturb("terms.1.margin", 0.5)],
    ids=["only rewritten", "margins, which are the teacher's"],
)
def test_what_changes_nothing_in_a_checkpoint(change, whole, tmp_path):
    run_tiny(tmp_path, images=watched_data(signal_in=STEPS + 3))
    commit, _ = checkpoints.newest(tmp_path / "ckpt")
    rewrite(commit, change)
    assert same_weights(run_tiny(tmp_path), whole("ofd")[0])


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    run_tiny(tmp_path, images=watched_data(signal_in=0))
    commit, _ = checkpoints.newest(tmp_path / "ckpt")
    rewrite(commit, lambda state: state.update(format=99))
    with pytest.raises(checkpoints.CheckpointError, match="format 99; expected 1"):
        run_tiny(tmp_path)


def test_epochs_between_two_tests_are_one_line_and_the_same_training(tmp_path):
    every = run_tiny(tmp_path / "every")
    seldom = run_tiny(tmp_path / "seldom", evaluate_every=2)
    assert [epoch["epoch"] for epoch in seldom.epochs] == [2, 3]
    assert same_weights(every, seldom)
    assert seldom.last["top1"] == every.last["top1"]
    first_two = [epoch["train"]["sum"] for epoch in every.epochs[:2]]
    assert seldom.epochs[0]["train"]["sum"] == pytest.approx(sum(first_two) / 2)
    assert seldom.last["train"] == every.last["train"]


def test_a_stop_between_two_tests_loses_nothing_of_their_means(tmp_path):
    whole = run_tiny(tmp_path / "whole", evaluate_every=2)
    run_tiny(tmp_path / "cut", images=watched_data(signal_in=STEPS + 2), evaluate_every=2)
    assert load_record(tmp_path / "cut").epochs == []
    assert metrics(run_tiny(tmp_path / "cut", evaluate_every=2)) == metrics(whole)
