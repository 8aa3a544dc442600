"""A small picture of each notebook for the map in notebooks/README.md.

    python -m docs.make_thumbnails

It is the first one under "The figure", or the first at all, as it lies in the notebook.
"""

import base64
import io
from pathlib import Path

from nbformat import NotebookNode
from PIL import Image

from docs import notebook_text
from docs.pictures import write_palette_png

FOLDER = notebook_text.NOTEBOOKS / "thumbnails"
WIDTH = 260


def thumbnail_of(notebook: Path) -> Path:
    """Where a notebook's thumbnail lies."""
    return FOLDER / f"{notebook.stem[:2]}.png"


def carrying_figure(book: NotebookNode) -> Image.Image:
    """The first picture under "## The figure", else the first one."""
    is_carrying, first = False, None
    for cell in book.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            is_carrying = cell.source.startswith("## The figure")
        for output in cell.get("outputs", []):
            picture = output.get("data", {}).get("image/png")
            if picture and is_carrying:
                return _decoded(picture)
            first = first or picture
    return _decoded(first)


def _decoded(picture: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture)))


def make_thumbnails() -> list[Path]:
    """Write the thumbnail of every notebook that is there; returns their paths."""
    written = []
    for path in notebook_text.lessons():
        figure = carrying_figure(notebook_text.read(path)).convert("RGBA")
        size = (WIDTH, round(figure.height * WIDTH / figure.width))
        written.append(thumbnail_of(path))
        write_palette_png(figure.resize(size, Image.Resampling.LANCZOS), written[-1])
    return written


if __name__ == "__main__":
    for path in make_thumbnails():
        print(path.name, f"{path.stat().st_size / 1000:.0f} kB")
