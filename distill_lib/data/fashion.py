"""The embedded data set: 10,000 + 2,000 images of Fashion-MNIST (Xiao et al., 2017), MIT licence.

Grey 28x28 images in the file, 3x32x32 for the networks of the papers: two black pixels on each
side, the one channel three times. `data/make_fashion_mnist_12k.py` made the file.
"""

import hashlib
import io
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distill_lib.data.content import Content, Split, content_sha256
from distill_lib.errors import DataError

FILE_NAME = "fashion_mnist_12k.npz"
FILE_BYTES = 5_278_835
FILE_SHA256 = "efefbe05b9d7eaf04f28ae39025070e3f555b25bf705ff9319bf8a7a4784fc6b"
FRAME = 2

CLASSES = (
    "t-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def read_fashion(path: Path) -> Content:
    """Read the embedded file.

    Raises:
        DataError: the file is missing, or is not byte for byte the one that was committed.
    """
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.\n  {_remedy(path)}") from error
    sha256 = hashlib.sha256(packed).hexdigest()
    if sha256 != FILE_SHA256:
        raise DataError(
            f"{path} is damaged.\n"
            f"  Expected {FILE_BYTES} bytes, SHA-256 {FILE_SHA256}\n"
            f"  got      {len(packed)} bytes, SHA-256 {sha256}\n"
            f"  {_remedy(path)}"
        )
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        train, test = (
            Split(_frame(arrays[f"{split}_images"]), _labels(arrays[f"{split}_labels"]))
            for split in ("train", "test")
        )
    return Content(train, test, content_sha256(train, test))


def _frame(images: np.ndarray) -> Tensor:
    """(N, 28, 28) to (N, 3, 32, 32)."""
    framed = F.pad(torch.from_numpy(images), (FRAME,) * 4)  # (N, 32, 32)
    return framed[:, None].expand(-1, 3, -1, -1).contiguous()


def _labels(labels: np.ndarray) -> Tensor:
    return torch.from_numpy(labels).long()


def _remedy(path: Path) -> str:
    return (
        f"Get it back: git checkout -- data/{path.name}, "
        "or make it again: python data/make_fashion_mnist_12k.py."
    )
