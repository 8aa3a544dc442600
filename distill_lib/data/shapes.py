"""Pictures that the program draws itself: shapes on textures, with exact masks and boxes.

One to four shapes of four classes lie on a mottled or striped ground. Colour, size, turn and light
vary and say nothing of the class. Shapes may touch and cover each other a little; the mask is what
is seen, and a box encloses just that. Two data sets have the same pictures: "shapes" with a class
for each pixel, "shapes-boxes" with a box for each shape.

Explained in notebooks/12_segmentation.ipynb and notebooks/13_detection.ipynb.
"""

import functools
import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from distill_lib.data import boxes, masks
from distill_lib.data.decoded_images import DecodedImages

SIZE = 64
NUM_TRAIN, NUM_TEST = 240, 80
SHAPES = ("disc", "square", "triangle", "star")
REACH = ((), (1.15,) * 4, (1.15,) * 3, (1.15, 0.5) * 5)
"""How far from the centre each corner of a shape is, in radii; a disc has none."""
FINER = 4
"""Shapes are drawn this much larger and averaged down, for smooth edges."""
MOST_COVERED = 0.2
"""Share of an earlier shape that a later one may cover."""


class Scene(NamedTuple):
    """A picture and what is in it.

    Attributes:
        image: uint8 (SIZE, SIZE, 3).
        mask: uint8 (SIZE, SIZE): 0 for the ground, k + 1 for SHAPES[k].
        boxes: float32 (M, 4): x1 y1 x2 y2 round the visible part of each shape.
        labels: int64 (M,), 1..4.
    """

    image: np.ndarray
    mask: np.ndarray
    boxes: torch.Tensor
    labels: torch.Tensor


def draw_scene(seed: int) -> Scene:
    """Draw one picture; the same seed gives the same pixels."""
    rng = np.random.default_rng(seed)
    image = _texture(rng, hue=rng.uniform(0, 360), saturation=rng.uniform(10, 45), strength=0.25)
    if rng.random() < 0.4:
        image = image * _stripes(rng)[..., None]
    owner = np.zeros((SIZE, SIZE), int)  # 0 for the ground, i for the i-th shape
    labels = []
    for _ in range(rng.integers(1, 5)):
        shape = rng.integers(len(SHAPES))
        cover = _place(rng, shape, owner)
        if cover is None:
            continue
        paint = _texture(rng, hue=rng.uniform(0, 360), saturation=rng.uniform(45, 90), strength=0.1)
        image = image + cover[..., None] * (paint * _light(rng)[..., None] - image)
        labels.append(int(shape) + 1)
        owner[cover >= 0.5] = len(labels)
    noisy = image + rng.normal(0, 5, image.shape)
    corners = []
    for i in range(1, len(labels) + 1):
        rows, columns = np.nonzero(owner == i)
        corners.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    return Scene(
        noisy.clip(0, 255).round().astype(np.uint8),
        np.array([0, *labels], np.uint8)[owner],
        torch.tensor(np.array(corners), dtype=torch.float32),
        torch.tensor(labels),
    )


def _place(rng: np.random.Generator, shape: int, owner: np.ndarray) -> np.ndarray | None:
    """The share of each pixel that a new shape covers, (SIZE, SIZE); None if it has no room."""
    from PIL import Image, ImageDraw

    for _ in range(20):
        radius = rng.uniform(8, 15)
        centre = rng.uniform(radius * 0.8, SIZE - radius * 0.8, 2)
        canvas = Image.new("L", (SIZE * FINER, SIZE * FINER))
        draw = ImageDraw.Draw(canvas)
        if shape == 0:
            draw.ellipse([*(centre - radius) * FINER, *(centre + radius) * FINER], fill=255)
        else:
            reach = REACH[shape]
            angles = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(len(reach)) / len(reach)
            directions = np.stack((np.cos(angles), np.sin(angles)), 1)
            corners = (centre + radius * np.array(reach)[:, None] * directions) * FINER
            draw.polygon(corners.ravel().tolist(), fill=255)
        cover = np.asarray(canvas.reduce(FINER), float) / 255
        hidden = np.bincount(owner[cover >= 0.5], minlength=owner.max() + 1)
        if (hidden <= MOST_COVERED * np.bincount(owner.ravel()))[1:].all():
            return cover
    return None


def _texture(rng, *, hue: float, saturation: float, strength: float) -> np.ndarray:
    """A colour, mottled at three sizes, float (SIZE, SIZE, 3) in 0..255."""
    from PIL import Image, ImageColor

    colour = ImageColor.getrgb(f"hsv({hue:.0f},{saturation:.0f}%,{rng.uniform(45, 95):.0f}%)")
    mottled = np.zeros((SIZE, SIZE))
    for cells in (3, 8, 20):
        noise = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
        mottled += np.asarray(noise.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) / 2
    return np.array(colour) * (1 + strength * mottled[..., None])


def _stripes(rng: np.random.Generator) -> np.ndarray:
    """Light and dark bands, float (SIZE, SIZE) round 1."""
    return 1 + rng.uniform(0.1, 0.25) * np.sign(np.sin(_ramp(rng) * rng.uniform(10, 28)))


def _light(rng: np.random.Generator) -> np.ndarray:
    """Light that falls from one side, float (SIZE, SIZE) round 1."""
    return 1 + 0.25 * _ramp(rng)


def _ramp(rng: np.random.Generator) -> np.ndarray:
    """From about -1 to 1 in a random direction, (SIZE, SIZE)."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    return np.cos(angle) * x + np.sin(angle) * y


@functools.cache
def scenes() -> tuple[list[Scene], list[Scene], str]:
    """The pictures to train on, those to test on, and their SHA-256; drawn once in a process."""
    drawn = [draw_scene(seed) for seed in range(NUM_TRAIN + NUM_TEST)]
    digest = hashlib.sha256()
    for scene in drawn:
        for part in scene:
            digest.update(np.ascontiguousarray(part).tobytes())
    return drawn[:NUM_TRAIN], drawn[NUM_TRAIN:], digest.hexdigest()


@dataclass(frozen=True)
class DrawnSet:
    """The pictures as a data set.

    Attributes:
        name: its key in `DATASETS`.
        with_boxes: for detection; for segmentation if not.
    """

    name: str
    with_boxes: bool

    def locate(self) -> tuple[bool, str]:
        """Always here."""
        return True, "drawn by the program"

    def open(self, download: bool = False) -> None:
        """There is no folder."""

    def load(self, name: str, folder: None, **options) -> DecodedImages:
        """Draw the set; options as `MaskedImages` or `BoxedImages` have them."""
        train, test, digest = scenes()
        as_sample = _with_boxes if self.with_boxes else _with_mask
        kind = boxes.BoxedImages if self.with_boxes else masks.MaskedImages
        return kind(
            name,
            SHAPES if self.with_boxes else ("ground", *SHAPES),
            train=[as_sample(scene) for scene in train],
            test=[as_sample(scene) for scene in test],
            digest=digest,
            workers=0,
            **options,
        )


def _with_mask(scene: Scene):
    from PIL import Image

    return masks.as_sample(Image.fromarray(scene.image), scene.mask)


def _with_boxes(scene: Scene):
    from PIL import Image

    return boxes.as_sample(Image.fromarray(scene.image), scene.boxes, {"labels": scene.labels})


DRAWN_MASKS = DrawnSet("shapes", with_boxes=False)
DRAWN_BOXES = DrawnSet("shapes-boxes", with_boxes=True)
