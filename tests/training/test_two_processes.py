"""Several processes see the samples of one, reduce metrics rightly, agree, and one writes."""

import json
import os
import subprocess
import sys
import textwrap
import time

import pytest
import torch
import torch.nn.functional as F

from distill_lib import build_model, evaluate, load_data, load_record, paths
from distill_lib.training import distributed, run_folder
from distill_lib.training.checkpoints import newest

from .helpers import (
    BATCH,
    NUM_TEST,
    STEPS,
    linear_student,
    metrics,
    run_tiny,
    same_weights,
    tiny_data,
    tiny_net,
    watched_data,
)
from .processes import ended, start_ranks

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(os.name != "posix", reason="gloo and forks as POSIX has them"),
]
SETTINGS = {"epochs": 2, "checkpoint_steps": 0}


def train_rank(rank, out, net, options):
    """Train as one of several processes and leave what this one saw beside the run."""
    images = watched_data(**options.pop("watch", {}))
    record = run_tiny(out, "plain", images=images, net=net(), **(SETTINGS | options))
    trained = record.distiller.student if record.distiller else torch.nn.Module()
    torch.save(
        {
            "seen": images.seen,
            "epochs": metrics(record),
            "status": record.status,
            "parameters": dict(trained.named_parameters()),
            "buffers": dict(trained.named_buffers()),
        },
        f"{out}-{rank}.pt",
    )


def train_two(out, net=linear_student, **options) -> list[dict]:
    assert ended(start_ranks(2, train_rank, out, net, options)) == [0, 0]
    return results(out)


def results(out) -> list[dict]:
    return [torch.load(f"{out}-{rank}.pt") for rank in (0, 1)]


def batch_norm_student():
    return tiny_net(4, seed=3, dropout=0.2)


def same_tensors(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_two_processes_train_as_one(tmp_path):
    ranks = train_two(tmp_path / "two")
    for epoch in (1, 2):
        batches = tiny_data().train_batches(batch_size=BATCH, seed=0, epoch=epoch)
        for step, batch in enumerate(batches, start=(epoch - 1) * STEPS):
            halves = [dict(rank["seen"])[step] for rank in ranks]
            assert halves[0] + halves[1] == batch.indices.tolist()
    alone = run_tiny(tmp_path / "one", "plain", net=linear_student(), **SETTINGS)
    assert same_tensors(ranks[0]["parameters"], ranks[1]["parameters"])
    for name, parameter in alone.distiller.student.named_parameters():
        assert torch.allclose(ranks[0]["parameters"][name], parameter, atol=1e-5)
    written = load_record(tmp_path / "two")
    assert written.status == ranks[0]["status"] == ranks[1]["status"] == "finished"
    assert metrics(written) == ranks[0]["epochs"] == ranks[1]["epochs"]
    for ours, theirs in zip(alone.epochs, written.epochs, strict=True):
        assert theirs["top1"] == ours["top1"] and theirs["images"] == NUM_TEST
        assert theirs["loss"] == pytest.approx(ours["loss"], rel=1e-4)
        assert theirs["train"]["ce"] == pytest.approx(ours["train"]["ce"], rel=1e-4)
    assert len(list((tmp_path / "two" / "ckpt").glob("*.pt"))) == 2


def test_what_is_recorded_is_of_the_network_that_is_saved(tmp_path):
    ranks = train_two(tmp_path / "two", batch_norm_student)
    assert same_tensors(ranks[0]["parameters"], ranks[1]["parameters"])
    assert same_tensors(ranks[0]["buffers"], ranks[1]["buffers"])
    written = load_record(tmp_path / "two")
    saved = batch_norm_student()
    saved.load_state_dict(written.load_weights())
    found = evaluate(saved, tiny_data(), precision=None)
    with torch.no_grad():
        batch = next(tiny_data().test_batches(batch_size=NUM_TEST))
        logits = saved.eval()(batch.images)
    assert written.last["loss"] == pytest.approx(F.cross_entropy(logits, batch.labels).item())
    assert found["images"] == written.last["images"] == NUM_TEST


def test_a_signal_to_one_process_stops_both_and_both_go_on(tmp_path):
    whole = train_two(tmp_path / "whole", batch_norm_student)
    options = {"watch": {"signal_in": STEPS + 2}}
    stopped = ended(start_ranks(2, signalled_rank, tmp_path / "run", options))
    assert stopped == [0, 0]
    assert load_record(tmp_path / "run").status == "interrupted"
    assert newest(tmp_path / "run" / "ckpt")[0].step == STEPS + 3
    resumed = train_two(tmp_path / "run", batch_norm_student)
    assert same_tensors(resumed[0]["parameters"], whole[0]["parameters"])
    assert same_tensors(resumed[1]["parameters"], whole[0]["parameters"])
    assert same_weights(load_record(tmp_path / "run"), load_record(tmp_path / "whole"))
    assert metrics(load_record(tmp_path / "run")) == metrics(load_record(tmp_path / "whole"))


def signalled_rank(rank, out, options):
    train_rank(rank, out, batch_norm_student, options if rank == 1 else {})


def test_a_finished_run_is_reported_by_both_and_fresh_trains_again(tmp_path):
    first = train_two(tmp_path / "run")
    again = train_two(tmp_path / "run")
    assert [rank["seen"] for rank in again] == [[], []]
    children = start_ranks(2, slowly_fresh_rank, tmp_path / "run")
    assert ended(children, seconds=60) == [0, 0]
    fresh = results(tmp_path / "run")
    assert [rank["seen"] for rank in fresh] == [rank["seen"] for rank in first]
    assert same_tensors(fresh[0]["parameters"], first[0]["parameters"])


def slowly_fresh_rank(rank, out):
    delete = run_folder.start_over

    def slowly(folder):
        time.sleep(0.5)  # the other process must not take the old run for this one
        delete(folder)

    run_folder.start_over = slowly
    train_rank(rank, out, linear_student, {"fresh": True})


def test_a_loss_that_is_no_number_in_one_process_stops_both(tmp_path):
    codes = ended(start_ranks(2, poisoned_rank, tmp_path / "run"))
    assert codes == [0, 0]
    record = load_record(tmp_path / "run")
    assert record.status == "failed" and "another process" in record.reason


def poisoned_rank(rank, out):
    from distill_lib.errors import DivergedError

    with pytest.raises(DivergedError, match="term 'ce'" if rank == 1 else "in another process"):
        train_rank(rank, out, linear_student, {"watch": {"nan_in": 3}} if rank == 1 else {})


def test_another_number_of_processes_is_refused(tmp_path):
    run_tiny(tmp_path / "run", "plain", net=linear_student(), **SETTINGS)
    assert ended(start_ranks(2, refused_rank, tmp_path / "run")) == [0, 0]


def refused_rank(rank, out):
    from distill_lib.errors import RecipeMismatchError

    with pytest.raises(RecipeMismatchError, match="world_size: 1 .saved. != 2 .yours."):
        train_rank(rank, out, linear_student, {})


def evaluate_rank(rank, expected):
    joined = distributed.start()
    found = evaluate(tiny_net(4, seed=3), tiny_data(), batch_size=4)
    distributed.stop()
    assert joined and found == pytest.approx(expected, rel=1e-4)


def test_three_processes_evaluate_an_uneven_share_each(tmp_path):
    expected = evaluate(tiny_net(4, seed=3), tiny_data())
    assert NUM_TEST % (3 * 4) and ended(start_ranks(3, evaluate_rank, expected)) == [0, 0, 0]


def dense(task):
    """A network with weights of one seed, and the drawn images, which three share unevenly."""
    torch.manual_seed(0)
    if task == "segmentation":
        return torch.nn.Conv2d(3, 5, 3, padding=1), load_data("shapes")
    return build_model("ssd/resnet18", 4), load_data("shapes-boxes")


def evaluate_dense_rank(rank, task, expected):
    joined = distributed.start()
    found = evaluate(*dense(task))
    distributed.stop()
    assert joined and found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_three_processes_count_all_pixels_and_all_boxes(task):
    expected = evaluate(*dense(task))
    assert expected["images"] % 3
    assert ended(start_ranks(3, evaluate_dense_rank, task, expected)) == [0, 0, 0]


SCRIPT = textwrap.dedent(
    """
    import os, sys, torch
    torch.set_num_threads(1)
    from tests.training.test_two_processes import linear_student, train_rank
    train_rank(int(os.environ["RANK"]), sys.argv[1], linear_student, {"epochs": 1})
    """
)


def test_torchrun_starts_it(tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT), "OMP_NUM_THREADS": "1"}
    command = "-m torch.distributed.run --standalone --nproc_per_node 2".split()
    done = subprocess.run(
        [sys.executable, *command, str(tmp_path / "train.py"), str(tmp_path / "run")],
        env=environment | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "finished" and record["environment"]["processes"] == 2
