"""ImageNet and its ten-class excerpt Imagenette: where their folders are, or how to get them.

ImageNet: Russakovsky et al., 2015. Imagenette: Howard, 2019, ten easy classes of it. Both are read
by `ImageFolders`, as is any folder of yours in the same layout: `folder:<path>`.
"""

import tempfile
from pathlib import Path

from distill_lib import paths
from distill_lib.data.folder_set import FolderSet
from distill_lib.errors import DataError

OWN = "folder:"
"""What the name of a data set begins with that is a folder of the user's own."""


def _download_imagenette() -> Path:
    """Fetch and unpack it beside its place in the cache, and move it there when it is whole."""
    from torchvision.datasets import Imagenette

    folder = paths.cache_dir() / "imagenette2-160"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".imagenette-", dir=folder.parent) as temporary:
            Imagenette(temporary, size="160px", download=True)
            (Path(temporary) / folder.name).rename(folder)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"Imagenette could not be downloaded to {folder}: {error}.\n"
            "  Fetch imagenette2-160.tgz by other means and unpack it into the folder that "
            "DISTILL_DATA names."
        ) from error
    return folder


IMAGENET = FolderSet(
    name="imagenet",
    folders=("imagenet", "ILSVRC2012"),
    archives={},
    how=(
        "get ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and the devkit from image-net.org "
        "(an account is needed), and let torchvision.datasets.ImageNet unpack them",
        "then let DISTILL_DATA name the folder above imagenet/{train,val}/<class>/",
    ),
)
IMAGENETTE = FolderSet(
    name="imagenette",
    folders=("imagenette", "imagenette2", "imagenette2-320", "imagenette2-160"),
    archives={split: f"imagenette144-{split}.tar.xz" for split in ("train", "val")},
    how=(
        "download it (99 MB): python -m distill_lib data --download imagenette",
        "let DISTILL_DATA name a folder with imagenette2/, imagenette2-320/ or imagenette2-160/",
        "or with imagenette144-train.tar.xz and imagenette144-val.tar.xz",
    ),
    download=_download_imagenette,
)
