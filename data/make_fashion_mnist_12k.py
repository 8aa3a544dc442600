"""Make `fashion_mnist_12k.npz` from the IDX files of Fashion-MNIST (Xiao et al., 2017).

The first 1,000 training and 200 test images of each class, in stored order, so that anybody gets
the same file:

    apt-get install dataset-fashion-mnist
    python data/make_fashion_mnist_12k.py [FOLDER]

`distill_lib/data/fashion.py` holds the SHA-256 that this script prints.
"""

import argparse
import gzip
import hashlib
import os
from pathlib import Path

import numpy as np

TARGET = Path(__file__).resolve().with_name("fashion_mnist_12k.npz")
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
NUM_CLASSES = 10
TRAIN_PER_CLASS = 1_000
TEST_PER_CLASS = 200
# IDX: two zero bytes, the type (8: uint8), the number of dimensions, then big-endian sizes.
IDX_UINT8 = 8


def read_idx(path: Path) -> np.ndarray:
    """A gzipped IDX file of bytes as an array of the shape that its header gives."""
    content = gzip.decompress(path.read_bytes())
    if content[:2] != b"\0\0" or content[2] != IDX_UINT8:
        raise SystemExit(f"{path} is not an IDX file of bytes")
    num_dimensions = content[3]
    shape = np.frombuffer(content, ">u4", count=num_dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * num_dimensions).reshape(shape)


def first_of_each_class(labels: np.ndarray, per_class: int) -> np.ndarray:
    """Indices of the first `per_class` samples of each class, in stored order."""
    return np.sort(
        np.concatenate([np.flatnonzero(labels == k)[:per_class] for k in range(NUM_CLASSES)])
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=DEBIAN_FOLDER)
    folder = parser.parse_args().folder

    arrays = {}
    for split, stem, per_class in (
        ("train", "train", TRAIN_PER_CLASS),
        ("test", "t10k", TEST_PER_CLASS),
    ):
        images = read_idx(folder / f"{stem}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{stem}-labels-idx1-ubyte.gz")
        chosen = first_of_each_class(labels, per_class)
        arrays[f"{split}_images"] = images[chosen]
        arrays[f"{split}_labels"] = labels[chosen]

    temporary = TARGET.with_name(f".{TARGET.name}")
    with temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    os.replace(temporary, TARGET)
    content = TARGET.read_bytes()
    print(f"{TARGET.name}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
