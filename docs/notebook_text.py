"""The text of notebooks, made ready for slides and pages."""

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from distill_lib import paths

NOTEBOOKS = paths.ROOT / "notebooks"
LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")
EVERYWHERE = re.compile(r"^(https?|mailto):")


def lessons() -> list[Path]:
    """The notebooks of the course that are there, in order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def solutions() -> list[Path]:
    """Their solutions that are there, in order."""
    return sorted((NOTEBOOKS / "solutions").glob("[0-9][0-9]_*.ipynb"))


def read(path: Path) -> NotebookNode:
    """A notebook with its outputs, as it was saved."""
    return nbformat.read(path, as_version=4)


def first_cell(path: Path) -> tuple[str, str, str]:
    """Title, idea, and the line about time, needs and paper, of a notebook's first cell.

    Links become words.
    """
    text = relink(read(path).cells[0].source.strip(), lambda target: None)
    title, idea, terms, *_ = re.split(r"\n\s*\n", text)
    return title.removeprefix("# "), " ".join(idea.split()), " ".join(terms.split())


def relink(text: str, target_of: Callable[[str], str | None]) -> str:
    """Rewrite relative links; what has no target keeps its words and loses its link.

    Args:
        text: Markdown.
        target_of: from a link's target to the new one, or None.
    """

    def rewrite(match: re.Match) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        if EVERYWHERE.match(target):
            return match[0]
        new = target_of(target)
        return words if new is None else f"[{words}]({new}{anchor})"

    return LINK.sub(rewrite, text)


def spread(text: str) -> str:
    """Blank lines inside <details> and around $$ formulas, which stricter Markdown asks for."""
    text = re.sub(r"(</summary>)[ \t]*\n(?!\n)", r"\1\n\n", text)
    text = re.sub(r"(?<!\n)\n(</details>)", r"\n\n\1", text)
    return re.sub(r"^(\$\$.+?\$\$)[ \t]*$", r"\n\1\n", text, flags=re.MULTILINE | re.DOTALL)
