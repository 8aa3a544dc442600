"""fit: a recipe in, a run record out. One visible loop in plain torch.

Started by torchrun, every process trains on its share of each batch, and process 0 writes.
"""

import hashlib
import random
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from distill_lib.data import SmallImages
from distill_lib.distiller import Distiller
from distill_lib.errors import DistillError, DivergedError
from distill_lib.measured_margins import weights_digest
from distill_lib.recipes import Optim, Recipe, as_dict
from distill_lib.records import RunRecord, environment
from distill_lib.schedules import one_cycle, step_decay
from distill_lib.training import checkpoints, distributed, run_folder
from distill_lib.training.build import Parts, build
from distill_lib.training.cost import count_multiply_adds, count_parameters
from distill_lib.training.evaluate import evaluate
from distill_lib.training.guard import FiniteGuard
from distill_lib.training.precision import Precision, choose_device, choose_precision
from distill_lib.training.progress import Progress
from distill_lib.training.stop_request import StopRequest


def fit(
    recipe: Recipe,
    *,
    teacher: nn.Module | None = None,
    student: nn.Module | None = None,
    data: SmallImages | None = None,
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
        device: "auto", "cpu", "cuda" or "mps".
        fresh: delete an earlier run in the folder and start over.
        progress: show a bar (never in the smoke budget).
        compile: run the Distiller through torch.compile.
        untrained_teacher: accept a teacher that was never trained.
    Returns:
        the record; its `distiller` holds the trained networks.
    Raises:
        DistillError: bad input, before any training; nothing on disk has changed.
        DivergedError: the loss became NaN or infinite; the last good checkpoint is kept.
    """
    joined = distributed.start()
    try:
        chosen = distributed.local_device(choose_device(device))
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
        record = _new_record(recipe, parts, precision, out)
        if distributed.rank():
            return _fit(recipe, parts, record, precision, chosen, progress=False, compile=compile)
        with run_folder.locked(record.path):
            if fresh:
                run_folder.start_over(record.path)
            return _fit(recipe, parts, record, precision, chosen, progress, compile)
    finally:
        if joined:
            distributed.stop()


def _new_record(recipe: Recipe, parts: Parts, precision: Precision, out) -> RunRecord:
    found = {
        "precision": precision.name,
        "data_digest": parts.data.digest,
        "student_shapes": _shapes_digest(parts.distiller.student),
        "world_size": distributed.world_size(),
    }
    if parts.distiller.teacher is not None:
        found["teacher_digest"] = weights_digest(parts.distiller.teacher)
    folder = Path(out) if out is not None else run_folder.default_folder(recipe)
    return RunRecord(
        path=folder,
        recipe=as_dict(recipe),
        identity=run_folder.identity_of(recipe, **found),
        environment=environment()
        | {
            "device": _device_name(parts.data.device),
            "precision": asdict(precision),
            "threads": torch.get_num_threads(),
            "processes": distributed.world_size(),
        },
        summary=_summary(recipe, parts),
        distiller=parts.distiller,
    )


def _shapes_digest(model: nn.Module) -> str:
    """What must fit a checkpoint's weights; the weights themselves follow from the seed."""
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    return hashlib.sha256(repr(shapes).encode()).hexdigest()


def _device_name(device: torch.device) -> str:
    device = torch.device(device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _summary(recipe: Recipe, parts: Parts) -> dict:
    student = parts.distiller.student
    summary = {
        "num_classes": parts.data.num_classes,
        "train_images": parts.data.num_train,
        "parameters": count_parameters(student),
        "multiply_adds": count_multiply_adds(student, recipe.image_size),
    }
    if parts.teacher_run is not None:
        run = parts.teacher_run
        summary["teacher"] = {
            "recipe": run.name,
            "budget": run.recipe["budget"],
            "top1": run.last["top1"],
            "top5": run.last["top5"],
            "parameters": run.summary["parameters"],
            "multiply_adds": run.summary["multiply_adds"],
            "seconds": run.summary["seconds"],
        }
    return summary


def learning_rate(optim: Optim, epoch: int, step: int, *, epochs: int, steps: int) -> float:
    """The rate of a step, a function of its place in the run alone.

    Args:
        epoch: counted from 1.
        step: counted from 0, over the whole run.
        epochs, steps: how many there are in all.
    """
    if optim.schedule == "step":
        progress = (epoch - 1) * optim.milestones_of / epochs
        return optim.lr * step_decay(progress, optim.milestones, optim.gamma)
    return optim.lr * one_cycle((step + 1) / (steps + 1), optim.peak_at)


def _fit(
    recipe: Recipe,
    parts: Parts,
    record: RunRecord,
    precision: Precision,
    device: torch.device,
    progress: bool,
    compile: bool,
) -> RunRecord:
    data, distiller = parts.data, parts.distiller
    done = run_folder.finished_here(record.path, record.identity)
    distributed.barrier()
    if done is not None:
        return done
    distiller.refresh_margins()
    optim = recipe.optim
    optimizer = torch.optim.SGD(
        distiller.parameters(),
        lr=optim.lr,
        momentum=optim.momentum,
        weight_decay=optim.weight_decay,
        nesterov=optim.nesterov,
    )
    scaler = torch.amp.GradScaler(device.type, enabled=precision.needs_scaler)
    state = _resume(record, distiller, optimizer, scaler)
    model: nn.Module = torch.compile(distiller) if compile else distiller
    if distributed.is_distributed():
        model = DistributedDataParallel(model)
    guard, rank, world = FiniteGuard(device), distributed.rank(), distributed.world_size()
    steps_per_epoch = data.num_batches(recipe.batch_size)

    def checkpoint() -> None:
        guard.check()
        if rank == 0:
            state["rng"] = _random_states()
            checkpoints.save(
                record.path / "ckpt",
                state
                | {
                    "distiller": distiller.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "scaler": scaler.state_dict(),
                },
                record.identity,
                state["best_step"],
            )
            record.epochs = list(state["epochs"])
            record.save()
        distributed.barrier()

    with StopRequest() as stop:
        try:
            _restore_random_states(state.get("rng"))
            while state["epoch"] <= recipe.epochs:
                epoch, started = state["epoch"], time.perf_counter()
                distiller.train()
                bar = Progress(
                    steps_per_epoch,
                    f"{recipe.name} {epoch}/{recipe.epochs}",
                    done=state["batch"],
                    shown=progress and rank == 0 and recipe.budget != "smoke",
                )
                for batch in data.train_batches(
                    batch_size=recipe.batch_size,
                    seed=recipe.seed,
                    epoch=epoch,
                    start_batch=state["batch"],
                    rank=rank,
                    world_size=world,
                ):
                    rate = learning_rate(
                        optim,
                        epoch,
                        state["step"],
                        epochs=recipe.epochs,
                        steps=steps_per_epoch * recipe.epochs,
                    )
                    for group in optimizer.param_groups:
                        group["lr"] = rate
                    with precision.autocast():
                        result = model(batch.images, batch.labels, epoch)
                    guard.watch(epoch, state["step"], batch.indices, result)
                    # DDP averages over processes; an uneven last batch is weighed by its images.
                    share = len(batch.labels) * world / batch.global_size
                    optimizer.zero_grad(set_to_none=True)
                    scaler.scale(result.loss * share).backward()
                    scaler.step(optimizer)
                    scaler.update()
                    state["step"] += 1
                    state["batch"] += 1
                    _add_to_meters(state["meters"], result, len(batch.labels))
                    bar.step(batch.global_size, result.parts)
                    if distributed.any_rank(bool(stop.signal), device):
                        break
                    if recipe.checkpoint_steps and state["step"] % recipe.checkpoint_steps == 0:
                        state["seconds"] += time.perf_counter() - started
                        checkpoint()
                        started = time.perf_counter()
                bar.close()
                state["seconds"] += time.perf_counter() - started
                if state["batch"] == steps_per_epoch:
                    _end_epoch(state, distiller, data, precision, rate)
                if distributed.any_rank(bool(stop.signal), device):
                    record.status, record.reason = "interrupted", f"signal {stop.signal}"
                    checkpoint()
                    return record
                checkpoint()
            _finish(record, distiller, state, device)
        except DivergedError as error:
            _fail(record, error)
            raise
    return record


def _resume(record: RunRecord, distiller: Distiller, optimizer, scaler) -> dict:
    """Where the run stands: from its newest good checkpoint, or at the start."""
    folder = record.path / "ckpt"
    if distributed.rank() == 0:
        checkpoints.clean(folder)
    distributed.barrier()
    commit, skipped = checkpoints.newest(folder)
    for reason in skipped:
        print(f"skipped {reason}")
    if commit is None:
        return {
            "step": 0,
            "epoch": 1,
            "batch": 0,
            "best_step": 0,
            "best_top1": -1.0,
            "seconds": 0.0,
            "meters": {},
            "epochs": [],
        }
    state = checkpoints.load(commit, record.identity)
    distiller.load_state_dict(state.pop("distiller"))
    optimizer.load_state_dict(state.pop("optimizer"))
    scaler.load_state_dict(state.pop("scaler"))
    distiller.refresh_margins()
    if distributed.rank() == 0:
        print(f"resuming {record.path} at epoch {state['epoch']}, step {state['step']}")
    return state


def _add_to_meters(meters: dict, result, images: int) -> None:
    for name, value in (result.parts | {"sum": result.loss.detach()}).items():
        meters[name] = meters.get(name, 0.0) + value.double() * images
    meters["images"] = meters.get("images", 0) + images


def _end_epoch(
    state: dict, distiller: Distiller, data: SmallImages, precision: Precision, rate: float
) -> None:
    """Evaluate, note the epoch's metrics, and turn to the next epoch."""
    started = time.perf_counter()
    meters = state["meters"]
    names = [name for name in meters if name != "images"]
    sums = torch.stack([torch.as_tensor(meters[name]).cpu() for name in names])
    sums = torch.cat([sums, torch.tensor([float(meters["images"])], dtype=torch.float64)])
    if distributed.is_distributed():
        device = next(distiller.parameters()).device
        sums = distributed.sum_over_ranks(sums.to(device, torch.float32)).double().cpu()
    *means, images = (sums / torch.cat([sums[-1:].expand(len(names)), torch.ones(1)])).tolist()
    seconds = state["seconds"]
    state["epochs"].append(
        {"epoch": state["epoch"], **evaluate(distiller.student, data, precision=precision)}
        | {
            "train": dict(zip(names, means, strict=True)),
            "lr": rate,
            "seconds": seconds,
            "images_per_second": images / seconds,
            "evaluation_seconds": time.perf_counter() - started,
        }
    )
    top1 = state["epochs"][-1]["top1"]
    if top1 > state["best_top1"]:
        state["best_top1"], state["best_step"] = top1, state["step"]
    state |= {"epoch": state["epoch"] + 1, "batch": 0, "seconds": 0.0, "meters": {}}


def _finish(record: RunRecord, distiller: Distiller, state: dict, device: torch.device) -> None:
    """Write the weights of the last and the best epoch, then the finished record."""
    if distributed.rank():
        return
    record.status, record.reason = "finished", ""
    record.epochs = list(state["epochs"])
    record.summary |= {
        "seconds": sum(e["seconds"] + e["evaluation_seconds"] for e in record.epochs),
        "peak_memory_bytes": _peak_memory(device),
    }
    record.save_weights("last", distiller.student.state_dict())
    best = checkpoints.at_step(record.path / "ckpt", state["best_step"])
    prefix = "student."
    weights = {
        key.removeprefix(prefix): value
        for key, value in checkpoints.load(best, record.identity)["distiller"].items()
        if key.startswith(prefix)
    }
    record.save_weights("best", weights)
    record.save()


def _fail(record: RunRecord, error: DistillError) -> None:
    if distributed.rank() == 0:
        record.status, record.reason = "failed", str(error)
        record.save()


def _peak_memory(device: torch.device) -> int | None:
    """Bytes: of the GPU where there is one, otherwise of the process; None on Windows."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return None
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _random_states() -> dict:
    return {
        "python": random.getstate(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _restore_random_states(states: dict | None) -> None:
    if states is None:
        return
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
