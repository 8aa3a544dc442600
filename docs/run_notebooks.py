"""Restart notebooks, run all cells, and save them as they are committed.

    python -m docs.run_notebooks 01 06 solutions/10

Each is run in its own folder with the budget that `DISTILL_BUDGET` names, smoke if none. What is
saved bears no times and no version of Python: a new run changes what it found, and no more.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from docs import notebook_text

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SECONDS_A_CELL = 600
"""Of the slowest cell, on a slow machine."""


def find(name: str) -> Path:
    """The notebook whose path below notebooks/ begins with this.

    Raises:
        SystemExit: there is none, or more than one.
    """
    found = sorted(notebook_text.NOTEBOOKS.glob(f"{name}*.ipynb"))
    if len(found) != 1:
        sys.exit(f"{name!r} begins the names of {len(found)} notebooks; give one of: 00, 01, ….")
    return found[0]


def clean(book: NotebookNode) -> NotebookNode:
    """Without what differs from run to run though nothing was found anew, and without sliders."""
    book.metadata = nbformat.from_dict(METADATA)
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        if "skip-output" in cell.metadata.get("tags", []):
            cell.outputs = []
    return book


def run(path: Path) -> None:
    """Run a notebook and save it; where a cell fails, nothing is saved."""
    book = notebook_text.read(path)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(
        book,
        timeout=SECONDS_A_CELL,
        resources=resources,
        record_timing=False,
        coalesce_streams=True,
    ).execute()
    nbformat.write(clean(book), path)


if __name__ == "__main__":
    for path in [find(name) for name in sys.argv[1:]]:
        run(path)
        print(path.name)
