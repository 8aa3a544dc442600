"""Small data sets and archives, made in the test."""

import io
import tarfile
from pathlib import Path

import torch

from distill_lib.data import Augment, SmallImages

PLAIN = Augment(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def random_split(n, *, num_classes=5, size=8, seed=0):
    """n random images, labels 0, 1, ..., K-1, 0, 1, ..."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=generator)
    return images, torch.arange(n) % num_classes


def small_set(num_train=53, num_test=23, *, augment=PLAIN, **kwargs):
    """A set whose sizes divide by nothing."""
    return SmallImages(
        "small",
        [f"class {k}" for k in range(5)],
        train=random_split(num_train),
        test=random_split(num_test, seed=1),
        augment=augment,
        **kwargs,
    )


def write_tar(path: Path, files: dict[str, bytes], *extra: tarfile.TarInfo) -> Path:
    """An archive of files, and of members that are none; compressed as the name says."""
    with tarfile.open(path, f"w:{path.suffix[1:]}") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return path


def odd_member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A link or a device."""
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = target
    return member
