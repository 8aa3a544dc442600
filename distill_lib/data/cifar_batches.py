"""CIFAR-10 and CIFAR-100 in the form that their authors publish, read by torchvision.

These files are pickles, and unpickling runs what a file says. So every file is compared with its
published MD5 first, and the archive is unpacked by `archives.py`, not by torchvision.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from distill_lib.data.archives import unpack
from distill_lib.data.content import Split
from distill_lib.errors import DataError

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

# The real archives have fewer than 10 members and 190 MB.
MAX_MEMBERS = 100
MAX_BYTES = 400_000_000


def read_folder(root: Path, dataset: type["CIFAR10"]) -> tuple[Split, Split]:
    """Read training and test images from torchvision's folder below `root`.

    Raises:
        DataError: a file is missing, or its MD5 is not the published one.
    """
    from torchvision.datasets.utils import calculate_md5

    published = [*dataset.train_list, *dataset.test_list]
    published.append([dataset.meta["filename"], dataset.meta["md5"]])
    for file_name, md5 in published:
        path = root / dataset.base_folder / file_name
        actual = calculate_md5(path) if path.is_file() else "none, the file is missing"
        if actual != md5:
            raise DataError(
                f"{path} is not the published file.\n"
                f"  Expected MD5 {md5}\n  got          {actual}\n"
                f"  Delete the folder {path.parent.name} and get it again."
            )
    train, test = dataset(root, train=True), dataset(root, train=False)
    return _split(train), _split(test)


def read_archive(archive: Path, dataset: type["CIFAR10"]) -> tuple[Split, Split]:
    """Read training and test images from the published tar.gz.

    Raises:
        DataError: the archive, or a file in it, is not the published one.
    """
    from torchvision.datasets.utils import calculate_md5

    actual = calculate_md5(archive)
    if actual != dataset.tgz_md5:
        raise DataError(
            f"{archive} ({archive.stat().st_size:,} bytes) is not the published archive.\n"
            f"  Expected MD5 {dataset.tgz_md5}\n  got          {actual}\n"
            "  It is cut or damaged: delete it and fetch it again."
        )
    with tempfile.TemporaryDirectory(prefix="distill-cifar-") as temporary:
        folder = Path(temporary) / "unpacked"
        unpack(archive, folder, max_members=MAX_MEMBERS, max_bytes=MAX_BYTES)
        return read_folder(folder, dataset)


def download(dataset: type["CIFAR10"]) -> tuple[Split, Split]:
    """Fetch the published tar.gz, read it, and keep nothing of it.

    Raises:
        DataError: there is no connection, or something else arrived.
    """
    from torchvision.datasets.utils import download_url

    with tempfile.TemporaryDirectory(prefix="distill-cifar-") as temporary:
        try:
            download_url(dataset.url, temporary, dataset.filename, dataset.tgz_md5)
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"{dataset.url} could not be downloaded: {error}.\n"
                f"  Fetch {dataset.filename} by other means and put it into the folder that "
                "DISTILL_DATA names."
            ) from error
        return read_archive(Path(temporary) / dataset.filename, dataset)


def _split(dataset: "CIFAR10") -> Split:
    """(N, 32, 32, 3) of torchvision to (N, 3, 32, 32)."""
    images = torch.from_numpy(dataset.data).permute(0, 3, 1, 2).contiguous()
    return Split(images, torch.tensor(dataset.targets))
