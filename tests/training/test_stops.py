"""What ends a run early, or keeps one from starting: signals, NaN, locks, a finished run."""

import os
import signal
import sys

import pytest
import torch
from torch import nn

from distill_lib import load_record
from distill_lib.errors import DistillError, DivergedError
from distill_lib.recipes import Optim
from distill_lib.training import checkpoints
from distill_lib.training.run_folder import locked
from distill_lib.training.stop_request import StopRequest

from .helpers import (
    STEPS,
    TOTAL,
    metrics,
    run_tiny,
    same_weights,
    script_top1,
    tiny_net,
    tiny_recipe,
    watched_data,
)
from .processes import ended, start

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and locks as POSIX has them")


@pytest.mark.faults
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_a_signal_stops_after_the_step_and_the_run_goes_on_later(name, tmp_path):
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip(f"this system has no {name}")
    before = signal.getsignal(number)
    data = watched_data(signal_in=STEPS + 3, number=number)
    record = run_tiny(tmp_path / "run", images=data, checkpoint_steps=0)
    assert record.status == "interrupted" and str(int(number)) in record.reason
    assert load_record(tmp_path / "run").status == "interrupted"
    assert signal.getsignal(number) == before
    commit, _ = checkpoints.newest(tmp_path / "run" / "ckpt")
    assert commit.step == STEPS + 4 == len(data.seen)
    finished = run_tiny(tmp_path / "run", checkpoint_steps=0)
    assert (finished.status, finished.reason) == ("finished", "")
    assert same_weights(finished, run_tiny(tmp_path / "whole"))


def test_handlers_are_put_back_after_an_error_and_a_second_signal_is_harmless():
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(RuntimeError), StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGTERM
        raise RuntimeError
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def assert_stopped_well(run, reason, last_step):
    """The run is marked as failed, and its newest checkpoint is before the bad step and finite."""
    record = load_record(run)
    assert record.status == "failed" and reason in record.reason
    commit, skipped = checkpoints.newest(run / "ckpt")
    assert commit.step <= last_step and skipped == []
    saved = checkpoints.read(commit.payload)["distiller"]
    assert all(v.isfinite().all() for v in saved.values() if v.is_floating_point())


def test_an_error_that_nobody_foresaw_is_in_the_record(tmp_path, monkeypatch):
    def run_out(optimizer, rate):
        raise RuntimeError("out of memory")

    # By the module: the package's `fit` is the function.
    monkeypatch.setattr(sys.modules["distill_lib.training.fit"], "set_rate", run_out)
    with pytest.raises(RuntimeError):
        run_tiny(tmp_path)
    record = load_record(tmp_path)
    assert (record.status, record.reason) == ("failed", "RuntimeError: out of memory")


@pytest.mark.faults
def test_nan_images_stop_the_run(tmp_path):
    data = watched_data(nan_in=9)
    with pytest.raises(DivergedError, match="epoch 2, step 9: term 'ce'") as error:
        run_tiny(tmp_path, "plain", images=data)
    assert str(data.seen[-1][1][0]) in str(error.value).splitlines()[1]
    assert_stopped_well(tmp_path, "term 'ce'", 8)
    data.nan_in = None
    resumed = run_tiny(tmp_path, "plain", images=data)
    assert (resumed.status, len(resumed.epochs)) == ("finished", 3)


class NanTeacher(nn.Module):
    """Its logits turn NaN in one of its forwards in a run."""

    def __init__(self, forward: int):
        super().__init__()
        self.net = tiny_net(8, seed=2)
        self.net[1].running_mean.fill_(0.1)
        self.left = forward

    def forward(self, images):
        self.left -= len(images) == 8  # a full batch of training, not a dry run
        return self.net(images) * (float("nan") if self.left == 0 else 1.0)


@pytest.mark.faults
def test_the_term_that_turned_nan_is_named(tmp_path):
    from distill_lib import fit

    with pytest.raises(DivergedError, match="epoch 1, step 4: term 'kd'"):
        fit(
            tiny_recipe("kd"),
            teacher=NanTeacher(5),
            student=tiny_net(4, seed=3),
            data=watched_data(),
            out=tmp_path,
            device="cpu",
        )
    assert_stopped_well(tmp_path, "term 'kd'", 4)


class Overflowing(torch.autograd.Function):
    """The identity, with infinite gradients."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("inf")


class OverflowingNet(nn.Module):
    def __init__(self, step: int):
        super().__init__()
        self.net, self.left = tiny_net(4, seed=3), step + 1

    def forward(self, images):
        self.left -= self.training
        logits = self.net(images)
        return Overflowing.apply(logits) if self.left == 0 else logits


@pytest.mark.faults
@pytest.mark.parametrize("step", [5, STEPS - 1])
def test_infinite_gradients_of_a_finite_loss_never_reach_a_checkpoint(step, tmp_path):
    with pytest.raises(DivergedError, match="the weights became NaN or infinite in epoch 1"):
        run_tiny(tmp_path, "plain", net=OverflowingNet(step))
    assert_stopped_well(tmp_path, "the weights became", step)


@pytest.mark.faults
def test_a_rate_that_is_far_too_high_diverges_by_name(tmp_path):
    with pytest.raises(DivergedError, match="Lower --optim.lr"):
        run_tiny(tmp_path, net=tiny_net(4, seed=3), optim=Optim(lr=1e30))


def test_a_finished_run_is_reported_and_fresh_starts_over(tmp_path):
    first = run_tiny(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    data = watched_data()
    again = run_tiny(tmp_path, images=data)
    assert data.seen == [] and metrics(again) == metrics(first) and same_weights(again, first)
    fresh = run_tiny(tmp_path, images=data, fresh=True)
    assert len(data.seen) == TOTAL and same_weights(fresh, first)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_fresh_deletes_nothing_before_the_input_is_known_to_be_good(tmp_path):
    first = run_tiny(tmp_path)
    with pytest.raises(DistillError, match="images of 16 pixels"):
        run_tiny(tmp_path, fresh=True, image_size=32)
    assert same_weights(load_record(tmp_path), first)


def test_a_finished_run_of_another_recipe_is_not_touched(tmp_path):
    first = run_tiny(tmp_path, "plain")
    with pytest.raises(DistillError, match=r"(?s)finished run of another recipe.*seed: 0 .* 1 "):
        run_tiny(tmp_path, "plain", seed=1)
    assert load_record(tmp_path).identity == first.identity
    assert same_weights(load_record(tmp_path), first)


def test_a_damaged_record_is_an_error_of_ours(tmp_path):
    run_tiny(tmp_path, "plain", epochs=1)
    (tmp_path / "run.json").write_text('{"status": "fini')
    with pytest.raises(DistillError, match=r"(?s)damaged record.*--fresh"):
        run_tiny(tmp_path, "plain", epochs=1)
    assert run_tiny(tmp_path, "plain", epochs=1, fresh=True).status == "finished"


def test_only_one_run_trains_in_a_folder(tmp_path):
    data = watched_data()
    with locked(tmp_path), pytest.raises(DistillError, match="another process"):
        run_tiny(tmp_path, images=data)
    assert data.seen == []
    assert run_tiny(tmp_path, "plain", epochs=1).status == "finished"


def refused_by_lock(out) -> None:
    with pytest.raises(DistillError, match="another process is training"):
        run_tiny(out)


def die_with_lock(out) -> None:
    with locked(out):
        os.kill(os.getpid(), signal.SIGKILL)


@POSIX
@pytest.mark.faults
def test_a_second_process_is_refused_and_a_dead_one_is_not_in_the_way(tmp_path):
    with locked(tmp_path):
        assert ended([start(refused_by_lock, tmp_path)]) == [0]
    assert ended([start(die_with_lock, tmp_path)]) == [-signal.SIGKILL]
    assert run_tiny(tmp_path, "plain", epochs=1).status == "finished"


def test_a_best_checkpoint_that_was_lost_fails_the_run_by_name(tmp_path, monkeypatch):
    script_top1(monkeypatch, 30.0, 20.0, 10.0)
    run_tiny(tmp_path, images=watched_data(signal_in=TOTAL - 1))
    (tmp_path / "ckpt" / f"step-{STEPS:08d}.pt").write_bytes(b"damaged")
    with pytest.raises(DistillError, match=f"step-{STEPS:08d}.pt: SHA-256 differs"):
        run_tiny(tmp_path)
    assert load_record(tmp_path).status == "failed"
