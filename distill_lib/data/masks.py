"""Images with a class for each pixel: segmentation.

Training: the image rescaled at random and a square cut out of it, mirrored half of the time, as the
OFD authors' DeepLab code does (its Gaussian blur is left out); testing: whole images, padded below
and to the right. What is padded is void, so neither the loss nor mIoU sees it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from distill_lib.data.annotated_images import AnnotatedImages, mean_colour
from distill_lib.data.batching import VOID
from distill_lib.data.decoded_images import Sample
from distill_lib.data.image_files import read_rgb
from distill_lib.data.image_folders import ResizedCrop
from distill_lib.errors import DataError, DistillError


@dataclass(frozen=True)
class MaskAugment:
    """How training images and masks are varied, and how images are normalised.

    Attributes:
        scale: least and most length of the image's shorter side, of the crop's side.
        flip: mirror left to right, for half of the samples.
        mean, std: per channel, in units of 0..255.
    """

    scale: tuple[float, float] = (0.5, 2.0)
    flip: bool = True
    mean: tuple[float, float, float] = ResizedCrop.mean
    std: tuple[float, float, float] = ResizedCrop.std

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise DistillError(f"MaskAugment: scale is {self.scale}; expected 0 < least <= most.")


class MaskFiles:
    """Image files and mask files, decoded and checked when asked for.

    Args:
        pairs: (image, mask), paths.
        num_classes: K; a mask has 0..K-1 and VOID.
        void: further values that mean void.
    """

    def __init__(
        self, pairs: Sequence[tuple[str, str]], *, num_classes: int, void: Sequence[int] = ()
    ) -> None:
        self.pairs = np.array(pairs).reshape(-1, 2)
        self.num_classes = num_classes
        self.void = list(void)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        """Decode one pair.

        Raises:
            DataError: the mask cannot be read, is not as large as the image, or has a value that
                is no class.
        """
        image_file, mask_file = map(str, self.pairs[index])
        mask = _read_mask(mask_file)
        mask[np.isin(mask, self.void)] = VOID
        values = np.unique(mask)
        wrong = values[(values >= self.num_classes) & (values != VOID)].tolist()
        if wrong:
            raise DataError(
                f"{mask_file} has the values {', '.join(map(str, wrong))}, which are no classes.\n"
                f"  Expected 0..{self.num_classes - 1}, and {VOID} for void."
            )
        image, odd = read_rgb(image_file)
        if image is not None and image.size != mask.shape[::-1]:
            raise DataError(
                f"{mask_file} is {mask.shape[1]}x{mask.shape[0]}, its image {image_file} is "
                f"{image.size[0]}x{image.size[1]}.\n  Expected the same size."
            )
        return as_sample(image, mask, image_file, odd)


def as_sample(image, mask: np.ndarray, file: str = "", odd: str | None = None) -> Sample:
    """A PIL image or None, and its mask uint8 (H, W), as torchvision's v2 transforms take them."""
    from torchvision import tv_tensors

    mask = tv_tensors.Mask(torch.from_numpy(mask))
    return Sample(None if image is None else tv_tensors.Image(image), mask, file, odd)


class MaskedImages(AnnotatedImages):
    """Training and test images with masks, cut into batches.

    Args:
        name: what errors call the set.
        classes: names of the K classes.
        train, test: samples by index: image uint8 (3, H, W) and mask uint8 (H, W).
        image_size: side of a training crop, in pixels.
        augment: crop, flip and normalisation.
        test_size: height and width to which test images are padded; if not given, the least
            multiple of 32 that holds all of them (which decodes them once).
        options: as `AnnotatedImages` has them.
    """

    task = "segmentation"

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        *,
        train: Sequence[Sample],
        test: Sequence[Sample],
        image_size: int,
        augment: MaskAugment,
        test_size: tuple[int, int] | None = None,
        **options,
    ) -> None:
        if test_size is None:
            largest = [max((s.label.shape[side] for s in test), default=1) for side in (0, 1)]
            test_size = tuple(-(-side // 32) * 32 for side in largest)
        transforms = _train_transform(image_size, augment), _Pad(test_size, augment)
        options |= {"image_size": image_size, "augment": augment}
        super().__init__(name, classes, train, test, transforms, **options)


def _train_transform(size: int, augment: MaskAugment):
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    shortest, longest = (round(scale * size) for scale in augment.scale)
    fill = {tv_tensors.Image: mean_colour(augment), tv_tensors.Mask: VOID}
    return v2.Compose(
        [
            v2.RandomResize(shortest, longest + 1),
            v2.RandomCrop(size, pad_if_needed=True, fill=fill),
            v2.RandomHorizontalFlip(0.5 if augment.flip else 0.0),
        ]
    )


class _Pad:
    """Pads image and mask, below and to the right, to a size."""

    def __init__(self, size: tuple[int, int], augment: MaskAugment) -> None:
        self.size = size
        self.colour = mean_colour(augment)

    def __call__(self, image, mask):
        from torchvision.transforms.v2 import functional

        below, right = (to - at for to, at in zip(self.size, mask.shape, strict=True))
        if min(below, right) < 0:
            raise DataError(
                f"a test image is {mask.shape[1]}x{mask.shape[0]}; expected at most "
                f"{self.size[1]}x{self.size[0]}."
            )
        padding = [0, 0, right, below]
        return (
            functional.pad(image, padding, fill=self.colour),
            functional.pad(mask, padding, fill=VOID),
        )


def _read_mask(file: str) -> np.ndarray:
    """A mask as uint8 (H, W): indices of a grey or palette image, or SBD's MATLAB file."""
    from PIL import Image

    try:
        if Path(file).suffix == ".mat":
            from scipy.io import loadmat

            return loadmat(file)["GTcls"][0]["Segmentation"][0]
        with Image.open(file) as mask:
            if mask.mode in ("L", "P"):
                return np.array(mask)
            what = f"is an image of mode {mask.mode}"
    except (
        *(OSError, ValueError, SyntaxError, EOFError, LookupError),
        Image.DecompressionBombError,
    ) as error:
        what = f"cannot be read: {str(error).replace(file, 'the file')}"
    raise DataError(f"{file} {what}.\n  Expected the index of a class at each pixel.")
