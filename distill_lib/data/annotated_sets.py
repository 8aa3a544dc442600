"""Folders of images with masks or boxes: CamVid, BCCD and Pascal VOC.

CamVid: Brostow et al., 2009, in 11 classes as SegNet has them (Badrinarayanan et al., 2017), which
also made the usual split: trained on 367 frames, tested on 233; its 101 validation frames are not
used, since nothing is chosen by them. BCCD: blood cells (shenggan, 2017, MIT), trainval and test.
VOC: Everingham et al., 2010. Segmentation trains on 2012 train with the masks of SBD (Hariharan et
al., 2011) but for 2012 val, 10,582 images, and tests on 2012 val, as the OFD authors' code does,
which however tests on images resized to 513 and we on whole ones. Detection trains on 2007 and
2012 trainval and tests on 2007 test.
"""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from distill_lib.data.boxes import BoxedImages, BoxFiles
from distill_lib.data.check_images import what_is_odd
from distill_lib.data.decoded_images import digest_of_files
from distill_lib.data.folder_set import FolderSet
from distill_lib.data.masks import MaskedImages, MaskFiles
from distill_lib.errors import DataError

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class MaskSet(FolderSet):
    """A folder of images and masks.

    Attributes:
        classes: names of the K classes.
        pairs: folder -> (image, mask) of training, and of testing.
        void: values of a mask, besides VOID, that mean void.
        in_memory: decode all at the start.
        test_size: as `MaskedImages` has it.
    """

    classes: tuple[str, ...]
    pairs: Callable[[Path], tuple[list[Pair], list[Pair]]]
    void: tuple[int, ...] = ()
    in_memory: bool = False
    test_size: tuple[int, int] | None = None

    def load(self, name: str, folder: Path, **options) -> MaskedImages:
        """The data set in `folder`; options as `MaskedImages` has them."""
        pairs = self.pairs(folder)
        files = [file for split in pairs for pair in split for file in pair]
        train, test = (self._files(split) for split in pairs)
        if self.in_memory:
            train, test = [*train], [*test]
            options = {"workers": 0} | options
        return MaskedImages(
            name,
            self.classes,
            train=train,
            test=test,
            digest=digest_of_files(folder, files, torch.empty(0)),
            test_size=self.test_size,
            folder=folder,
            **options,
        )

    def check(self, folder: Path) -> Iterator[tuple[str, str | None]]:
        """Open every pair: (the image's name, what is odd in it or None)."""
        pairs = [pair for split in self.pairs(folder) for pair in split]
        names = (str(Path(image).relative_to(folder)) for image, _ in pairs)
        return zip(names, what_is_odd(self._read, pairs), strict=True)

    def _files(self, pairs: list[Pair]) -> MaskFiles:
        return MaskFiles(pairs, num_classes=len(self.classes), void=self.void)

    def _read(self, pair: Pair) -> str | None:
        return self._files([pair])[0].odd


@dataclass(frozen=True, kw_only=True)
class BoxSet(FolderSet):
    """A folder of images and annotations in VOC's format.

    Attributes:
        classes: names of the K classes.
        annotations: folder -> files of training, and of testing.
    """

    classes: tuple[str, ...]
    annotations: Callable[[Path], tuple[list[Path], list[Path]]]

    def load(self, name: str, folder: Path, **options) -> BoxedImages:
        """The data set in `folder`; options as `BoxedImages` has them."""
        train, test = (
            BoxFiles(files, self.classes, test=is_test)
            for files, is_test in zip(self.annotations(folder), (False, True), strict=True)
        )
        for split, files in (("train", train), ("test", test)):
            if all(a.difficult.all() for a in files.annotations):
                raise DataError(
                    f"{name}: none of the {len(files)} annotations to {split} on has an object "
                    "that counts.\n  Expected one at least that is not difficult and has an area."
                )
        found = dict(
            zip(train.files + test.files, train.annotations + test.annotations, strict=True)
        )
        files = [file for xml, annotation in found.items() for file in (xml, annotation.image)]
        objects = [torch.cat((a.boxes, a.labels[:, None]), 1) for a in found.values()]
        data = BoxedImages(
            name,
            self.classes,
            train=train,
            test=test,
            digest=digest_of_files(folder, files, torch.cat([torch.empty(0, 5), *objects])),
            folder=folder,
            **options,
        )
        data.odd_images |= {str(f.relative_to(folder)): a.odd for f, a in found.items() if a.odd}
        return data

    def check(self, folder: Path) -> Iterator[tuple[str, str | None]]:
        """Read every annotation and its image: (the annotation's name, what is odd or None)."""
        files = [file for split in self.annotations(folder) for file in split]
        names = (str(file.relative_to(folder)) for file in files)
        return zip(names, what_is_odd(self._read, files), strict=True)

    def _read(self, file: Path) -> str | None:
        files = BoxFiles([file], self.classes, test=True)
        return files[0].odd or files.annotations[0].odd


def _listed(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError as error:
        raise DataError(
            f"{file}, a list of image names, cannot be read: {error.strerror}."
        ) from error


def _camvid(folder: Path) -> tuple[list[Pair], list[Pair]]:
    return tuple(
        [
            (str(image), str(folder / split / "labels" / f"{image.stem}.png"))
            for image in sorted((folder / split / "images").iterdir())
        ]
        for split in ("train", "test")
    )


def _annotations(folder: Path, split: str) -> list[Path]:
    names = _listed(folder / "ImageSets" / "Main" / f"{split}.txt")
    return [folder / "Annotations" / f"{name}.xml" for name in names]


def _bccd(folder: Path) -> tuple[list[Path], list[Path]]:
    return _annotations(folder, "trainval"), _annotations(folder, "test")


def _voc_boxes(folder: Path) -> tuple[list[Path], list[Path]]:
    voc2007, voc2012 = (folder / "VOCdevkit" / f"VOC{year}" for year in (2007, 2012))
    train = _annotations(voc2007, "trainval") + _annotations(voc2012, "trainval")
    return train, _annotations(voc2007, "test")


def _voc_masks(folder: Path) -> tuple[list[Pair], list[Pair]]:
    voc, sbd = folder / "VOCdevkit" / "VOC2012", folder / "sbd"
    lists = {
        split: _listed(voc / "ImageSets/Segmentation" / f"{split}.txt")
        for split in ("train", "val")
    }
    train, test = (
        [(f"{voc}/JPEGImages/{n}.jpg", f"{voc}/SegmentationClass/{n}.png") for n in names]
        for names in lists.values()
    )
    known = {*lists["train"], *lists["val"]}
    more = sorted({*_listed(sbd / "train.txt"), *_listed(sbd / "val.txt")} - known)
    if more and importlib.util.find_spec("scipy") is None:
        raise DataError("SBD's masks are MATLAB files, which scipy reads: pip install scipy")
    return train + [(f"{sbd}/img/{n}.jpg", f"{sbd}/cls/{n}.mat") for n in more], test


VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
CAMVID = MaskSet(
    name="camvid",
    folders=("camvid",),
    parts=("train/images", "train/labels", "test/images", "test/labels"),
    archives={"": "camvid-240x180.tar.xz"},
    how=(
        "let DISTILL_DATA name a folder with camvid-240x180.tar.xz",
        "or with camvid/{train,test}/{images,labels}/: a frame, and a PNG of the same name with "
        "the class at each pixel, 0..10 in SegNet's order, 11 where there is none",
    ),
    classes=(
        *("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car"),
        *("pedestrian", "bicyclist"),
    ),
    pairs=_camvid,
    void=(11,),
    in_memory=True,
)
BCCD = BoxSet(
    name="bccd",
    folders=("bccd", "BCCD"),
    parts=("Annotations", "JPEGImages"),
    archives={"": "bccd.tar.xz"},
    how=(
        "let DISTILL_DATA name a folder with bccd.tar.xz",
        "or with BCCD/ of github.com/Shenggan/BCCD_Dataset",
    ),
    classes=("RBC", "WBC", "Platelets"),
    annotations=_bccd,
)
VOC_MASKS = MaskSet(
    name="voc2012-seg",
    folders=("",),
    parts=("VOCdevkit/VOC2012/SegmentationClass", "sbd/cls"),
    archives={},
    how=(
        "in the folder that DISTILL_DATA names, with torchvision and scipy: "
        "VOCSegmentation('.', '2012', download=True); SBDataset('sbd', download=True)",
    ),
    classes=("background", *VOC_CLASSES),
    pairs=_voc_masks,
    test_size=(512, 512),  # VOC's longest side is 500
)
VOC_BOXES = BoxSet(
    name="voc07+12",
    folders=("",),
    parts=("VOCdevkit/VOC2007/Annotations", "VOCdevkit/VOC2012/Annotations"),
    archives={},
    how=(
        "in the folder that DISTILL_DATA names, with torchvision: "
        "[VOCDetection('.', y, s, download=True) for y, s in "
        "(('2007', 'trainval'), ('2007', 'test'), ('2012', 'trainval'))]",
    ),
    classes=VOC_CLASSES,
    annotations=_voc_boxes,
)
