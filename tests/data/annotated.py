"""Small folders of images with masks or boxes, made in the test."""

import numpy as np
from PIL import Image

OBJECT = (
    "<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>"
    "<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def picture(path, size=(40, 30), seed=0):
    """A file of random pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def mask(path, values, size=(40, 30)):
    """A mask of vertical bands of the values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = np.repeat(values, -(-size[0] // len(values)))[: size[0]].astype(np.uint8)
    Image.fromarray(np.tile(bands, (size[1], 1))).save(path)
    return path


def camvid(root, num_train=7, num_test=5):
    """CamVid's layout: classes 0, 3 and void in each mask."""
    for split, count in (("train", num_train), ("test", num_test)):
        for i in range(count):
            picture(root / "camvid" / split / "images" / f"{i}.jpg", seed=i)
            mask(root / "camvid" / split / "labels" / f"{i}.png", [0, 3, 11])
    return root / "camvid"


def annotation(folder, name, *objects, size=(40, 30), image=None):
    """An annotation of (class, xmin, ymin, xmax, ymax[, difficult]), and its image."""
    picture(folder / "JPEGImages" / f"{name}.jpg", size, seed=len(name))
    path = folder / "Annotations" / f"{name}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation><filename>{image or name + '.jpg'}</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height><depth>3</depth></size>"
        + "".join(OBJECT.format(o[0], *(o[5:] or (0,)), *o[1:5]) for o in objects)
        + "</annotation>"
    )
    return path


def listed(folder, split, names, kind="Main"):
    """The list of a split."""
    path = folder / "ImageSets" / kind / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))


def bccd(root, num_train=6, num_test=4):
    """BCCD's layout: a red and a white cell in each image, and one image without any."""
    folder = root / "bccd"
    splits = {
        "trainval": [f"a{i}" for i in range(num_train)],
        "test": [f"b{i}" for i in range(num_test)],
    }
    for split, names in splits.items():
        listed(folder, split, names)
        for name in names:
            annotation(folder, name, ("RBC", 1, 1, 20, 15), ("WBC", 11, 6, 40, 30))
    annotation(folder, "a0")
    return folder
