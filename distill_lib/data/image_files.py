"""One image file, read as RGB, with a word about what was odd in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

UNREADABLE = "unreadable"
LISTED = 1000
"""Files of one kind that a summary names; it counts all of them."""


def read_rgb(path: Path | str) -> tuple["Image.Image | None", str | None]:
    """Decode a file whole.

    Returns:
        the image as RGB, None where it cannot be decoded; and what is odd: `"grey"`, `"CMYK"` or
        another mode that was converted, `"unreadable: <why>"`, or None.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.load()
            if image.mode == "RGB":
                return image, None
            if image.mode.startswith("I;16"):  # `convert` would cut it off at 255
                eight = (np.asarray(image) // 256).clip(0, 255).astype(np.uint8)
                return Image.fromarray(eight).convert("RGB"), image.mode
            return image.convert("RGB"), "grey" if image.mode == "L" else image.mode
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return None, f"{UNREADABLE}: {str(error).replace(str(path), 'the file')}"


def summary_of(odd: Mapping[str, str]) -> dict[str, dict]:
    """Odd files by kind, for a run's record: how many, and the names of the first thousand.

    Args:
        odd: file name -> what `read_rgb` said of it.
    """
    kinds: dict[str, list[str]] = {}
    for name, what in sorted(odd.items()):
        kinds.setdefault(what.split(":")[0], []).append(name)
    return {kind: {"count": len(names), "files": names[:LISTED]} for kind, names in kinds.items()}
