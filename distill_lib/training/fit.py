"""fit: a recipe in, a run record out. One visible loop in plain torch.

Started by torchrun, every process trains on its share of each batch, and process 0 writes.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from distill_lib.data import ImageData
from distill_lib.data.image_files import summary_of
from distill_lib.distiller import Distiller
from distill_lib.errors import DistillError
from distill_lib.recipes import Recipe
from distill_lib.records import RunRecord
from distill_lib.training import checkpoints, distributed, run_folder
from distill_lib.training.build import Parts, build
from distill_lib.training.compiled import compiled
from distill_lib.training.evaluate import meter_of
from distill_lib.training.guard import FiniteGuard
from distill_lib.training.heap import keep_freed_memory
from distill_lib.training.new_record import new_record, peak_memory
from distill_lib.training.optimizer import (
    build_optimizer,
    hold_student,
    learning_rate,
    set_rate,
)
from distill_lib.training.precision import Precision, choose_device, choose_precision
from distill_lib.training.progress import Progress, epoch_line
from distill_lib.training.run_state import RunState
from distill_lib.training.stop_request import StopRequest


def fit(
    recipe: Recipe,
    *,
    teacher: nn.Module | None = None,
    student: nn.Module | None = None,
    data: ImageData | None = None,
    out: Path | str | None = None,
    device: str = "auto",
    fresh: bool = False,
    progress: bool = True,
    compile: bool = False,
    untrained_teacher: bool = False,
) -> RunRecord:
    """Train a recipe's student, or resume it, or report the run if it is finished.

    Args:
        recipe: what to train; its names are looked up unless the objects are given.
        teacher, student, data: objects of your own in their place.
        out: the run's folder; `runs/<recipe>/<budget>/<seed>` if not given.
        device: "auto", "cpu", "cuda" or "mps"; "auto" follows `data` if it is given.
        fresh: delete an earlier run in the folder and start over.
        progress: show a bar, and a line for each epoch tested (never in the smoke budget).
        compile: run the Distiller through torch.compile.
        untrained_teacher: accept a teacher that was never trained.
    Returns:
        the record; its `distiller` holds the trained networks, None where a finished run was
        reported that has no checkpoint.
    Raises:
        DistillError: bad input, before any training; nothing on disk has changed.
        DivergedError: the loss became NaN or infinite; the last good checkpoint is kept.
    """
    joined = distributed.start()
    try:
        if device == "auto" and data is not None:
            device = str(data.device)
        chosen = distributed.local_device(choose_device(device))
        if chosen.type == "cpu":
            keep_freed_memory()
        precision = choose_precision(chosen, recipe.precision)
        if distributed.rank():
            distributed.barrier()  # process 0 decodes the data set once, for all
        parts = build(
            recipe,
            data=data,
            teacher=teacher,
            student=student,
            device=chosen,
            untrained_teacher=untrained_teacher,
        )
        if distributed.rank() == 0:
            distributed.barrier()
        meter_of(parts.distiller.student, parts.data)  # what it lacks is said now
        parts.distiller.refresh_margins()
        optimizer = build_optimizer(parts.distiller, recipe.optim)
        record = new_record(recipe, parts, precision, compile, out)
        writes = distributed.rank() == 0
        shown = progress and writes and recipe.budget != "smoke"
        if shown and (taps := parts.distiller.describe_taps()):
            print(taps)
        lock = run_folder.locked(record.path) if writes else nullcontext()
        with _random_state_of(recipe.seed, chosen), lock:
            if fresh and writes:
                run_folder.start_over(record.path)
            return _train(recipe, parts, optimizer, record, precision, shown, compile)
    finally:
        if joined:
            distributed.stop()


@contextmanager
def _random_state_of(seed: int, device: torch.device) -> Iterator[None]:
    """Dropout draws from the global state: start it from the seed, and put it back after."""
    with torch.random.fork_rng([device.index or 0] if device.type == "cuda" else []):
        torch.manual_seed(seed + distributed.rank())
        yield


def _train(
    recipe: Recipe,
    parts: Parts,
    optimizer: torch.optim.Optimizer,
    record: RunRecord,
    precision: Precision,
    shown: bool,
    compile: bool,
) -> RunRecord:
    """Train to the end, or to a request to stop, from wherever the run stands."""
    data, distiller = parts.data, parts.distiller
    distributed.barrier()  # process 0 has deleted what `fresh` deletes
    done = run_folder.finished_here(record.path, record.identity)
    distributed.barrier()
    if done is not None:
        return _reported(done, record)
    optim = recipe.optim
    scaler = torch.amp.GradScaler(data.device.type, enabled=precision.needs_scaler)
    guard = FiniteGuard(data.device)
    state = RunState(distiller, optimizer, scaler)
    state.resume(record)
    state.begin(record)
    model: nn.Module = compiled(distiller) if compile else distiller
    if distributed.is_distributed():
        model = DistributedDataParallel(model)
    steps = data.num_batches(recipe.batch_size)
    try:
        with StopRequest() as stop:
            while state.epoch <= recipe.epochs:
                distiller.train()
                state.start_clock()
                label = f"{recipe.name} {state.epoch}/{recipe.epochs}"
                bar = Progress(steps, label, done=state.batch, shown=shown)
                for batch in data.train_batches(
                    batch_size=recipe.batch_size,
                    seed=recipe.seed,
                    epoch=state.epoch,
                    start_batch=state.batch,
                    rank=distributed.rank(),
                    world_size=distributed.world_size(),
                ):
                    rate = learning_rate(
                        optim, state.epoch, state.step, epochs=recipe.epochs, steps=steps
                    )
                    set_rate(optimizer, rate)
                    with precision.autocast():
                        result = model(batch.images, batch.labels, state.epoch)
                    guard.watch(state.epoch, state.step, batch.indices, result)
                    # DDP averages over processes; an uneven last batch is weighed by its images.
                    share = len(batch.labels) * distributed.world_size() / batch.global_size
                    optimizer.zero_grad(set_to_none=True)
                    scaler.scale(result.loss * share).backward()
                    hold_student(distiller, optim, state.epoch)
                    scaler.step(optimizer)
                    scaler.update()
                    state.add(result, len(batch.labels))
                    bar.step(batch.global_size, result.parts)
                    if stopping := distributed.any_rank(bool(stop.signal), data.device):
                        break
                    every = recipe.checkpoint_steps
                    if every > 0 and state.batch < steps and state.step % every == 0:
                        guard.before_checkpoint(distiller, state.epoch, state.step)
                        state.save(record, is_last=False)
                bar.close()
                guard.before_checkpoint(distiller, state.epoch, state.step)
                if state.batch == steps:
                    if state.epoch == recipe.epochs or state.epoch % recipe.evaluate_every == 0:
                        state.evaluate(data, precision, rate)
                        if shown:
                            print(epoch_line(state.epochs[-1], label, record.task), flush=True)
                    state.end_epoch()
                    _note_odd_images(record, data)
                if stopping:
                    record.status, record.reason = "interrupted", f"signal {stop.signal}"
                state.save(record, is_last=stopping or state.epoch > recipe.epochs)
                if stopping:
                    return record
        _finish(record, distiller, state)
    except Exception as error:
        _fail(record, error)
        raise
    return record


def _reported(done: RunRecord, record: RunRecord) -> RunRecord:
    """The finished run, with the networks that its last checkpoint holds."""
    if done.summary.get("student_start") != record.summary.get("student_start"):
        print(
            f"{done.path} is finished and reported as it is; it began from other weights of the "
            "student than are given now. fresh=True trains these."
        )
    commit, _ = checkpoints.newest(done.path / "ckpt")
    if commit is not None:
        state = checkpoints.load(commit, record.identity)["distiller"]
        record.distiller.load_state_dict(state)
        done.distiller = record.distiller.eval()
    return done


def _note_odd_images(record: RunRecord, data: ImageData) -> None:
    """List in the record which image files were converted or left out, in any process."""
    odd = {
        file: what for found in distributed.gather(data.odd_images) for file, what in found.items()
    }
    if odd:
        record.summary["odd_images"] = summary_of(odd)


def _finish(record: RunRecord, distiller: Distiller, state: RunState) -> None:
    """Write the weights of the last and the best epoch, then the finished record."""
    record.epochs = list(state.epochs)
    record.status, record.reason = "finished", ""
    if distributed.rank():
        return
    seconds = sum(epoch["seconds"] + epoch["evaluation_seconds"] for epoch in record.epochs)
    device = next(distiller.parameters()).device
    record.summary |= {"seconds": seconds, "peak_memory_bytes": peak_memory(device)}
    record.save_weights("last", distiller.student.state_dict())
    best = checkpoints.at_step(record.path / "ckpt", state.best_step)
    if best is None:
        said = "its checkpoint could not be written. Those of the last are there."
        print(f"{record.path} has no weights of the best epoch: {said}", file=sys.stderr)
    else:
        saved = checkpoints.load(best, record.identity)["distiller"]
        prefix = "student."
        student = {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}
        record.save_weights("best", student)
    record.save()


def _fail(record: RunRecord, error: Exception) -> None:
    said = str(error) if isinstance(error, DistillError) else f"{type(error).__name__}: {error}"
    record.status, record.reason = "failed", said
    if distributed.rank() == 0:
        with suppress(DistillError):  # a full disk takes no record either; the error goes on
            record.save()
