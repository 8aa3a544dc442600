"""A run that takes a second: random 16x16 images, a tiny teacher and a student with dropout."""

import torch
from torch import nn

from distill_lib import fit
from distill_lib.data import Augment, SmallImages
from distill_lib.recipes import CE, KD, OFD, Optim, Recipe

CLASSES = ("a", "b", "c", "d")
NUM_TRAIN, BATCH = 52, 8
"""Seven steps an epoch, the last one of four images."""
STEPS, EPOCHS = 7, 3


def tiny_data(cls=SmallImages) -> SmallImages:
    generator = torch.Generator().manual_seed(1)

    def split(n):
        images = torch.randint(0, 256, (n, 3, 16, 16), generator=generator, dtype=torch.uint8)
        return images, torch.arange(n) % len(CLASSES)

    augment = Augment(mean=(128.0,) * 3, std=(64.0,) * 3, padding=2)
    return cls("tiny", CLASSES, train=split(NUM_TRAIN), test=split(20), augment=augment)


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


def run_tiny(
    out,
    method: str = "ofd",
    images: SmallImages | None = None,
    net: nn.Module | None = None,
    **changes,
):
    recipe = tiny_recipe(method, **changes)
    return fit(
        recipe,
        teacher=tiny_teacher() if recipe.needs_teacher else None,
        student=net or tiny_net(4, seed=3, dropout=0.2),
        data=images or tiny_data(),
        out=out,
        device="cpu",
        progress=False,
    )


def same_weights(a, b) -> bool:
    """Whether two runs ended with the same student, bit for bit."""
    first, second = a.load_weights("last"), b.load_weights("last")
    return all(torch.equal(first[key], second[key]) for key in first)


def metrics(record) -> list[dict]:
    """What was recorded of each epoch, without the times."""
    timed = ("seconds", "images_per_second", "evaluation_seconds")
    return [{k: v for k, v in epoch.items() if k not in timed} for epoch in record.epochs]


class Cut(Exception):
    """Stands for whatever ends a process at a batch boundary."""


class CutImages(SmallImages):
    """Raises Cut before a given step of the run, and notes the samples of every step."""

    cut_before = None
    seen: list

    def train_batches(self, **options):
        first = (options["epoch"] - 1) * STEPS + options["start_batch"]
        for step, batch in enumerate(super().train_batches(**options), start=first):
            if step == self.cut_before:
                raise Cut
            self.seen.append((step, batch.indices.tolist()))
            yield batch


def cut_data(cut_before: int | None) -> CutImages:
    data = tiny_data(CutImages)
    data.cut_before, data.seen = cut_before, []
    return data
