"""A run that takes a moment: random 16x16 images, a tiny teacher and a student with dropout."""

import hashlib
import json
import signal

import torch
from torch import nn

from distill_lib import fit
from distill_lib.data import Augment, SmallImages
from distill_lib.recipes import CE, KD, OFD, Optim, Recipe
from distill_lib.training.checkpoints import Commit, read

CLASSES = ("a", "b", "c", "d")
NUM_TRAIN, NUM_TEST, BATCH = 52, 21, 8
"""Seven steps an epoch, the last one of four images."""
STEPS, EPOCHS = 7, 3
TOTAL = STEPS * EPOCHS


def tiny_data(cls=SmallImages) -> SmallImages:
    generator = torch.Generator().manual_seed(1)

    def split(n):
        images = torch.randint(0, 256, (n, 3, 16, 16), generator=generator, dtype=torch.uint8)
        return images, torch.arange(n) % len(CLASSES)

    augment = Augment(mean=(128.0,) * 3, std=(64.0,) * 3, padding=2)
    return cls("tiny", CLASSES, train=split(NUM_TRAIN), test=split(NUM_TEST), augment=augment)


def tiny_net(width: int, seed: int, dropout: float = 0.0) -> nn.Module:
    """Two stages, each ending in BN and ReLU; the seed decides the weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, 2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(2 * width, len(CLASSES)),
        )


def tiny_teacher() -> nn.Module:
    teacher = tiny_net(8, seed=2)
    teacher.train()
    with torch.no_grad():
        for batch in tiny_data().test_batches(batch_size=10):
            teacher(batch.images)  # moves the running statistics: no longer untrained
    return teacher.eval()


def linear_student() -> nn.Module:
    """No batch norm: the mean of two processes' gradients is then the whole batch's."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, len(CLASSES)))


def tiny_recipe(method: str = "ofd", **changes) -> Recipe:
    terms = {"plain": (CE(),), "kd": (CE(), KD()), "ofd": (CE(), OFD(weight=1e-2))}[method]
    settings = {
        "name": f"tiny-{method}",
        "data": "tiny",
        "student": "tiny",
        "image_size": 16,
        "terms": terms,
        "optim": Optim(lr=0.05, milestones=(1, 2), milestones_of=3),
        "batch_size": BATCH,
        "epochs": EPOCHS,
        "precision": "float32",
        "budget": "smoke",
        "checkpoint_steps": 2,
    }
    return Recipe(**(settings | changes))


def run_tiny(out, method: str = "ofd", *, images=None, net=None, fresh=False, **changes):
    """Train a tiny recipe in the folder; `changes` are fields of the recipe."""
    recipe = tiny_recipe(method, **changes)
    return fit(
        recipe,
        teacher=tiny_teacher() if recipe.needs_teacher else None,
        student=net or tiny_net(4, seed=3, dropout=0.2),
        data=images or tiny_data(),
        out=out,
        device="cpu",
        progress=False,
        fresh=fresh,
    )


def same_weights(a, b, name: str = "last") -> bool:
    """Whether two runs have the same student, bit for bit."""
    first, second = a.load_weights(name), b.load_weights(name)
    assert first.keys() == second.keys()
    return all(torch.equal(first[key], second[key]) for key in first)


def metrics(record) -> list[dict]:
    """What was recorded of each epoch, without the times."""
    timed = ("seconds", "images_per_second", "evaluation_seconds")
    return [{k: v for k, v in epoch.items() if k not in timed} for epoch in record.epochs]


def script_top1(monkeypatch, *values: float) -> None:
    """Let the evaluations to come give these accuracies."""
    left = list(values)

    def scripted(*args, **kwargs):
        return {"top1": left.pop(0), "top5": 100.0, "loss": 1.0, "images": NUM_TEST}

    monkeypatch.setattr("distill_lib.training.run_state.evaluate", scripted)


class Cut(Exception):
    """Stands for whatever ends a process at a batch boundary."""


class WatchedImages(SmallImages):
    """Notes the samples of every step, in `seen` and in the file `log` if one is given.

    Before the step `cut_before` it raises Cut; in the step `signal_in` it sends `number` to this
    process; the images of the step `nan_in` are NaN. Steps count from 0 over the whole run.
    """

    cut_before = signal_in = nan_in = log = None
    number = signal.SIGTERM

    def train_batches(self, **options):
        first = (options["epoch"] - 1) * STEPS + options["start_batch"]
        for step, batch in enumerate(super().train_batches(**options), start=first):
            if step == self.cut_before:
                raise Cut
            if step == self.signal_in:
                signal.raise_signal(self.number)
            if step == self.nan_in:
                batch.images.fill_(float("nan"))
            self.seen.append((step, batch.indices.tolist()))
            if self.log is not None:
                with open(self.log, "a") as file:
                    file.write(f"{step}\n")
            yield batch


def watched_data(**settings) -> WatchedImages:
    data = tiny_data(WatchedImages)
    data.seen = []
    for name, value in settings.items():
        setattr(data, name, value)
    return data


def rewrite(commit: Commit, change) -> None:
    """Change the state in a checkpoint, and its commit record with it."""
    state = read(commit.payload)
    change(state)
    torch.save(state, commit.payload)
    record = json.loads(commit.record.read_text())
    record["sha256"] = hashlib.sha256(commit.payload.read_bytes()).hexdigest()
    commit.record.write_text(json.dumps(record))
