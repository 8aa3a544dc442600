"""Images with boxes round their objects, in Pascal VOC's layout: detection.

    <folder>/Annotations/<any name>.xml
    <folder>/JPEGImages/<the name that the annotation gives>

Training: zoomed out, cut by overlap and mirrored as SSD does it (Liu et al., ECCV 2016, section
2.2; torchvision's v2), resized to a square, its colours changed last, where that costs least.
Testing: resized. Boxes are in pixels of the resized image; IoU does not change by that.
A box over the edge of its image is clipped, one of no area is left out, and both are listed. An
image without objects is legal.
"""

import math
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from distill_lib.data.annotated_images import AnnotatedImages, mean_colour
from distill_lib.data.decoded_images import Sample
from distill_lib.data.image_files import read_rgb
from distill_lib.data.image_folders import ResizedCrop
from distill_lib.errors import DataError, DistillError

SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class BoxAugment:
    """How training images and boxes are varied, and how images are normalised.

    Attributes:
        zoom_out: the largest canvas on which half of the images are put, of the image's size.
        flip: mirror left to right, for half of the samples.
        mean, std: per channel, in units of 0..255.
    """

    zoom_out: float = 4.0
    flip: bool = True
    mean: tuple[float, float, float] = ResizedCrop.mean
    std: tuple[float, float, float] = ResizedCrop.std

    def __post_init__(self) -> None:
        if self.zoom_out < 1:
            raise DistillError(f"BoxAugment: zoom_out is {self.zoom_out}; expected at least 1.")


class Annotation(NamedTuple):
    """What one annotation says.

    Attributes:
        image: the image's file.
        size: its width and height.
        boxes: float32 (M, 4): x1 y1 x2 y2, inside the image.
        labels: int64 (M,), 1..K.
        difficult: bool (M,): objects that VOC does not ask for.
        odd: what was clipped or left out, or None.
    """

    image: Path
    size: tuple[int, int]
    boxes: Tensor
    labels: Tensor
    difficult: Tensor
    odd: str | None


def read_annotation(file: Path, classes: Sequence[str]) -> Annotation:
    """Read an annotation in Pascal VOC's format.

    VOC counts pixels from 1 and includes the last one: 1..10 becomes the interval 0..10.

    Raises:
        DataError: it cannot be read, lacks something, or names an unknown class or no image.
    """
    try:
        root = ElementTree.parse(file).getroot()
        width, height = (int(root.findtext(f"size/{side}")) for side in ("width", "height"))
        image = file.parents[1] / "JPEGImages" / Path(root.findtext("filename").strip()).name
        objects = [
            (
                (one.findtext("name") or "").strip(),
                tuple(_pixel(one.findtext(f"bndbox/{side}")) for side in SIDES),
                (one.findtext("difficult") or "0").strip() == "1",
            )
            for one in root.iterfind("object")
        ]
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from error
    except (ElementTree.ParseError, TypeError, ValueError, AttributeError, LookupError) as error:
        raise DataError(
            f"{file} is no whole annotation: {error}.\n  Expected XML with filename, size and, of "
            f"each object, name and bndbox/{{{','.join(SIDES)}}}."
        ) from error
    if not os.path.isfile(image):
        raise DataError(f"{file} names the image {image.name}, which is not in {image.parent}.")
    kept, dropped, clipped = [], [], []
    for name, (x1, y1, x2, y2), difficult in objects:
        if name not in classes:
            raise DataError(
                f"{file} names the class {name!r}.\n  Expected one of {', '.join(classes)}."
            )
        inside = max(x1 - 1, 0), max(y1 - 1, 0), min(x2, width), min(y2, height)
        text = f"{name} {x1:g},{y1:g},{x2:g},{y2:g}"
        # Written as one point, though by VOC's own counting that is one pixel: a slip of the mouse.
        if x2 <= x1 or y2 <= y1 or inside[2] <= inside[0] or inside[3] <= inside[1]:
            dropped.append(f"{text} has no area in {width}x{height}")
            continue
        if inside != (x1 - 1, y1 - 1, x2, y2):
            clipped.append(f"{text} reaches out of {width}x{height}")
        kept.append((inside, classes.index(name) + 1, difficult))
    kind = "dropped-box" if dropped else "clipped-box"
    boxes, labels, difficult = zip(*kept, strict=True) if kept else ((), (), ())
    return Annotation(
        image,
        (width, height),
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.int64),
        torch.tensor(difficult, dtype=torch.bool),
        f"{kind}: {'; '.join(dropped + clipped)}" if dropped or clipped else None,
    )


def _pixel(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"a box ends at {text}")
    return number


class BoxFiles:
    """Annotations, read and checked at once, and their images, decoded when asked for.

    Args:
        files: the annotations.
        classes: names of the K classes.
        test: keep difficult objects, flagged `iscrowd`, so that mAP neither asks for them nor
            counts a detection of them as false (nearly VOC's rule); training leaves them out.
    Raises:
        DataError: as `read_annotation`.
    """

    def __init__(self, files: Sequence[Path], classes: Sequence[str], *, test: bool) -> None:
        self.files = list(files)
        self.annotations = [read_annotation(file, classes) for file in self.files]
        self.test = test

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, index: int) -> Sample:
        """Decode one image.

        Raises:
            DataError: the image is not of the size that its annotation says.
        """
        found = self.annotations[index]
        image, odd = read_rgb(found.image)
        if image is not None and image.size != found.size:
            raise DataError(
                f"{found.image} is {image.size[0]}x{image.size[1]}, its annotation "
                f"{self.files[index]} says {found.size[0]}x{found.size[1]}.\n"
                "  Expected the same size."
            )
        easy = slice(None) if self.test else ~found.difficult
        objects = {"labels": found.labels[easy]}
        if self.test:
            objects["iscrowd"] = found.difficult.long()
        return as_sample(image, found.boxes[easy], objects, str(found.image), odd)


def as_sample(
    image, boxes: Tensor, objects: dict[str, Tensor], file: str = "", odd: str | None = None
) -> Sample:
    """A PIL image or None, and its objects, as torchvision's v2 transforms take them."""
    from torchvision import tv_tensors

    if image is None:
        return Sample(None, None, file, odd)
    image = tv_tensors.Image(image)
    boxes = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=image.shape[-2:])
    return Sample(image, {"boxes": boxes, **objects}, file, odd)


class BoxedImages(AnnotatedImages):
    """Training and test images with boxes, cut into batches.

    Args:
        name: what errors call the set.
        classes: names of the K classes; labels are 1..K.
        train, test: samples by index: image uint8 (3, H, W), and boxes (M, 4) with labels (M,).
        image_size: height and width of a batch's images, in pixels.
        augment: crop, flip and normalisation.
        options: as `AnnotatedImages` has them.
    """

    task = "detection"

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        *,
        train: Sequence[Sample],
        test: Sequence[Sample],
        image_size: int,
        augment: BoxAugment,
        **options,
    ) -> None:
        from torchvision.transforms import v2

        resize = v2.Resize((image_size, image_size))
        transforms = _train_transform(resize, augment), resize
        options |= {"image_size": image_size, "augment": augment}
        super().__init__(name, classes, train, test, transforms, **options)


def _train_transform(resize, augment: BoxAugment):
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    fill = {tv_tensors.Image: mean_colour(augment), "others": 0}
    return v2.Compose(
        [
            v2.RandomZoomOut(fill, side_range=(1.0, augment.zoom_out)),
            v2.RandomIoUCrop(),
            resize,
            v2.RandomHorizontalFlip(0.5 if augment.flip else 0.0),
            v2.SanitizeBoundingBoxes(),  # the crop leaves empty boxes where objects were cut off
            v2.RandomPhotometricDistort(),
        ]
    )
