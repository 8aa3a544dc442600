"""Where a run stands: what a checkpoint holds beside the weights, and how it is put back."""

import random
import sys
import time

import torch

from distill_lib.data import ImageData
from distill_lib.distiller import Distiller, Step
from distill_lib.errors import DistillError
from distill_lib.files import remove_temporaries
from distill_lib.number_formats import as_float64
from distill_lib.records import RunRecord
from distill_lib.tasks import TASKS
from distill_lib.training import checkpoints, distributed
from distill_lib.training.evaluate import evaluate
from distill_lib.training.precision import Precision


class RunState:
    """Position, meters and history of a run, together with what is trained.

    Attributes:
        step: optimiser steps done, over the whole run.
        epoch: the epoch to train next, from 1; batch: its next unseen batch.
        epochs: the metrics of every epoch that was tested.
        best_step: the step after which the task's first metric was best so far.
    """

    POSITION = ("step", "epoch", "batch", "best_step", "best_value", "seconds", "epochs")

    def __init__(
        self,
        distiller: Distiller,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
    ):
        self._trained = {"distiller": distiller, "optimizer": optimizer, "scaler": scaler}
        self.step, self.epoch, self.batch = 0, 1, 0
        self.best_step, self.best_value = 0, 0.0
        self.seconds, self._since = 0.0, time.perf_counter()
        self.meters: dict = {}
        self.epochs: list[dict] = []

    def resume(self, record: RunRecord) -> None:
        """Go back to the newest checkpoint that verifies; stay at the start where there is none.

        Raises:
            CheckpointError: there are checkpoints, and none verifies, or they are another recipe's.
        """
        folder = record.path / "ckpt"
        if distributed.rank() == 0:
            remove_temporaries(record.path)
            checkpoints.clean(folder)
        distributed.barrier()
        commit, skipped = checkpoints.newest(folder)
        if distributed.rank() == 0:
            for reason in skipped:
                print(f"skipped {reason}")
        if commit is None:
            return
        state = checkpoints.load(commit, record.identity)
        for name, part in self._trained.items():
            part.load_state_dict(state[name])
        for name in self.POSITION:
            setattr(self, name, state[name])
        own = state if distributed.rank() == 0 else state["others"][distributed.rank() - 1]
        self.meters = own["meters"]
        _restore_random_states(own["rng"])
        if distributed.rank() == 0:
            print(f"resuming {record.path} at epoch {self.epoch}, step {self.step}")

    def begin(self, record: RunRecord) -> None:
        """Write the record of a run that is under way, so that it can be seen from outside.

        Raises:
            DistillError: the folder cannot be written.
        """
        record.epochs = list(self.epochs)
        if distributed.rank() == 0:
            record.save()

    def save(self, record: RunRecord, *, is_last: bool) -> None:
        """Write a checkpoint, then the record; process 0 alone, the others wait.

        Where that fails the training goes on, loudly, to the next save: earlier checkpoints are
        intact. `record.summary["failed_saves"]` counts.

        Args:
            is_last: nothing comes after it that could be saved instead.
        Raises:
            DistillError: the last one could not be written.
        """
        own = {"meters": self.meters, "rng": _random_states()}
        first, *others = distributed.gather(own)
        if distributed.rank() == 0:
            state = first | {"others": others}
            state |= {name: getattr(self, name) for name in self.POSITION}
            state |= {name: part.state_dict() for name, part in self._trained.items()}
            try:
                checkpoints.save(record.path / "ckpt", state, record.identity, self.best_step)
                record.epochs = list(self.epochs)
                record.save()
            except DistillError as error:
                if is_last:
                    raise
                failed = record.summary["failed_saves"] = record.summary.get("failed_saves", 0) + 1
                print(f"{error}\nTraining goes on; failed saves: {failed}.", file=sys.stderr)
        distributed.barrier()

    def start_clock(self) -> None:
        """Training time counts from now, step by step; evaluation is not in it."""
        self._since = time.perf_counter()

    def add(self, result: Step, images: int) -> None:
        """One step with so many images of this process is done."""
        for name, value in (result.parts | {"sum": result.loss.detach()}).items():
            self.meters[name] = self.meters.get(name, 0.0) + as_float64(value) * images
        self.meters["images"] = self.meters.get("images", 0) + images
        now = time.perf_counter()
        self.seconds, self._since = self.seconds + now - self._since, now
        self.step += 1
        self.batch += 1

    def end_epoch(self) -> None:
        """Turn to the next epoch."""
        self.epoch, self.batch = self.epoch + 1, 0

    def evaluate(self, data: ImageData, precision: Precision, rate: float) -> None:
        """Test after the present epoch, and note its metrics with the means since the last test."""
        started = time.perf_counter()
        student = self._trained["distiller"].student
        distributed.share_buffers(student)
        metrics = evaluate(student, data, precision=precision)
        means, images = self._means(next(student.parameters()).device)
        self.epochs.append(
            {"epoch": self.epoch}
            | metrics
            | {
                "train": means,
                "lr": rate,
                "seconds": self.seconds,
                "images_per_second": images / self.seconds,
                "evaluation_seconds": time.perf_counter() - started,
            }
        )
        value = metrics[TASKS[data.task].metric]
        if not self.best_step or value > self.best_value:
            self.best_value, self.best_step = value, self.step
        self.seconds, self.meters = 0.0, {}

    def _means(self, device: torch.device) -> tuple[dict[str, float], float]:
        """The mean of each loss part over all images of all processes, and how many there were."""
        sums = torch.tensor([float(value) for value in self.meters.values()], dtype=torch.float64)
        sums = distributed.sum_over_ranks(sums, device)
        totals = dict(zip(self.meters, sums.tolist(), strict=True))
        images = totals.pop("images")
        return {name: total / images for name, total in totals.items()}, images


def _random_states() -> dict:
    return {
        "python": random.getstate(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _restore_random_states(states: dict) -> None:
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
