"""Lecture slides: one self-contained reveal.js file for each notebook. Nothing is run again.

    python -m docs.make_slides [folder]         build/slides if no folder is given

Cells go where their slide type says; those marked `skip` are left out, cells tagged `remove-input`
show their output only, `notes` are for the speaker (key S). The files need no network.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from nbconvert.exporters import SlidesExporter
from traitlets.config import Config

from distill_lib.errors import DistillError
from distill_lib.files import write_atomically
from docs import notebook_text, npm

TEMPLATES = npm.DOCS / "templates"


def exporter(node_modules: Path) -> SlidesExporter:
    """nbconvert's slides with the house's template; reveal.js and MathJax go into each file."""
    config = Config()
    config.TemplateExporter.extra_template_basedirs = [str(TEMPLATES)]
    config.TemplateExporter.extra_template_paths = [str(node_modules)]
    config.TemplateExporter.template_name = "deck"
    config.TemplateExporter.exclude_input_prompt = True
    config.TemplateExporter.exclude_output_prompt = True
    config.HTMLExporter.embed_images = True
    config.CSSHTMLHeaderPreprocessor.style = "a11y-high-contrast-light"
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_input_tags = {"remove-input"}
    return SlidesExporter(config=config)


def write_deck(path: Path, folder: Path, decks: Sequence[str], slides: SlidesExporter) -> Path:
    """Write the slides of one notebook.

    Args:
        path: the notebook, with its outputs.
        folder: where the deck goes.
        decks: names of all decks; links to other notebooks of the course lead to theirs.
        slides: from `exporter`.
    Raises:
        DistillError: every cell is marked `skip`.
    """
    book = notebook_text.read(path)
    book.cells = [cell for cell in book.cells if _slide_type(cell) != "skip"]
    if all(_slide_type(cell) == "notes" for cell in book.cells):
        raise DistillError(
            f"{path.name} has no cell for a slide; expected slide types on its cells."
        )

    def deck_of(target: str) -> str | None:
        return f"{Path(target).stem}.html" if Path(target).stem in decks else None

    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = notebook_text.spread(notebook_text.relink(cell.source, deck_of))
    title = book.cells[0].source.splitlines()[0].removeprefix("# ")
    resources = {"metadata": {"path": str(path.parent), "name": path.stem}, "deck_title": title}
    html, _ = slides.from_notebook_node(book, resources=resources)
    deck = folder / f"{path.stem}.html"
    write_atomically(deck, lambda handle: handle.write(html.encode()))
    return deck


def _slide_type(cell) -> str:
    return cell.metadata.get("slideshow", {}).get("slide_type", "-")


def write_list(folder: Path, notebooks: Sequence[Path]) -> Path:
    """Write index.html, which lists the decks."""
    environment = exporter(folder).environment
    rows = [(f"{path.stem}.html", *notebook_text.first_cell(path)) for path in notebooks]
    html = environment.get_template("decks.html.j2").render(rows=rows)
    index = folder / "index.html"
    write_atomically(index, lambda handle: handle.write(html.encode()))
    return index


def make_slides(folder: Path, notebooks: Sequence[Path]) -> list[Path]:
    """Write a deck for each notebook, and a list of them.

    Raises:
        DistillError: npm is missing, or a notebook has no slides.
    """
    folder.mkdir(parents=True, exist_ok=True)
    slides = exporter(npm.node_modules())
    names = [path.stem for path in notebooks]
    decks = [write_deck(path, folder, names, slides) for path in notebooks]
    return [*decks, write_list(folder, notebooks)]


def main(arguments: Sequence[str]) -> None:
    # nbconvert asks for alternative texts, which a notebook's outputs cannot carry.
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    folder = Path(arguments[0]) if arguments else npm.BUILD / "slides"
    written = make_slides(folder, notebook_text.lessons())
    print(f"{len(written) - 1} decks; open {written[-1]}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DistillError as error:
        sys.exit(f"error: {error}")
