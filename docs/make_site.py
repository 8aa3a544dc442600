"""The course site: the executed notebooks and docs/ as pages that need no network.

    python -m docs.make_site [folder]         build/site if no folder is given

Pages are laid out in build/site-source as they lie in the repository, so that links between them
hold; a link to a file that has no page keeps its words only. Nothing is run again.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from distill_lib import paths
from distill_lib.errors import DistillError
from distill_lib.files import write_atomically
from distill_lib.records import find_records
from distill_lib.report import write_report
from distill_lib.tables import markdown_table
from docs import notebook_text, npm

PAGES = ("formula_sheet", "glossary", "museum", "teachers_guide")
"""The texts of docs/ that become pages, beside its index."""
MAP = "<!-- the map of the notebooks -->"
"""Where the index has its table of notebooks."""
NOTEBOOKS = notebook_text.NOTEBOOKS


def lay_out(source: Path) -> None:
    """Write Sphinx's source folder: index, notebooks, solutions, docs and results.

    Raises:
        DistillError: npm is missing, or results/ holds no finished run.
    """
    shutil.rmtree(source, ignore_errors=True)
    books = [*notebook_text.lessons(), *notebook_text.solutions()]
    docs = [npm.DOCS / f"{name}.md" for name in PAGES]
    places = {path: path.relative_to(paths.ROOT) for path in (*books, *docs)}
    places |= {npm.DOCS / "index.md": Path("index.md"), NOTEBOOKS / "README.md": Path("index.md")}

    def relinked(text: str, path: Path) -> str:
        """With links from the place of `path` in the repository to that of its page."""

        def target_of(target: str) -> str | None:
            place = places.get(Path(os.path.normpath(path.parent / target)))
            return place and Path(os.path.relpath(place, places[path].parent)).as_posix()

        return notebook_text.relink(text, target_of)

    for path in (npm.DOCS / "index.md", *docs):
        text = relinked(path.read_text("utf-8"), path).replace(MAP, _map())
        _write(source / places[path], text)
    for path in docs:
        if path.with_suffix("").is_dir():  # its pictures
            shutil.copytree(path.with_suffix(""), (source / places[path]).with_suffix(""))
    for path in books:
        book = notebook_text.read(path)
        for cell in book.cells:
            tags = cell.metadata.get("tags", [])
            cell.metadata["tags"] = ["hide-input" if tag == "remove-input" else tag for tag in tags]
            if cell.cell_type == "markdown":
                cell.source = notebook_text.spread(relinked(cell.source, path))
        _write(source / places[path], nbformat.writes(book))
    shutil.copy(npm.DOCS / "conf.py", source)
    _write(source / "solutions.md", _solutions())
    _write(source / "results.md", _results(source))
    _lay_out_static(source / "_static")


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda handle: handle.write(text.encode()))


def _map() -> str:
    """A table of the notebooks that are there, and the hidden lists that order the pages."""
    rows = []
    for path in notebook_text.lessons():
        title, idea, terms = notebook_text.first_cell(path)
        rows.append([f"[{title}](notebooks/{path.name})", idea, terms.replace(" | ", "; ")])
    table = markdown_table(("notebook", "the one idea", "time, needs, paper"), rows)
    lessons = [f"notebooks/{path.stem}" for path in notebook_text.lessons()]
    others = [*(f"docs/{name}" for name in PAGES), "results", "solutions"]
    lists = _toctree(lessons, caption="Notebooks"), _toctree(others, caption="Beside them")
    return "\n\n".join([table, *lists])


def _toctree(pages: Sequence[str], caption: str) -> str:
    return "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"])


def _solutions() -> str:
    names = [f"notebooks/solutions/{path.stem}" for path in notebook_text.solutions()]
    text = "# Solutions\n\nTry first: each exercise tells you itself what is still wrong.\n"
    return "\n".join([text, "```{toctree}", *names, "```"])


def _results(source: Path) -> str:
    table, _ = write_report(find_records(paths.ROOT / "results"), source)
    (source / "report.md").unlink()  # it is the table, which stands below
    return (
        "# Results\n\nEvery number is read from the records of real runs in `results/`, by "
        "`python -m distill_lib report results`.\n\n"
        "![Top-1 accuracy of every run, the papers' numbers hollow beside them](report.png)\n\n"
        f"{table}\n"
    )


def _lay_out_static(static: Path) -> None:
    static.mkdir(parents=True)
    shutil.copy(npm.node_modules() / npm.MATHJAX, static)
    shutil.copy(npm.DOCS / "templates" / "deck" / "static" / "house.css", static)
    shutil.copy(npm.DOCS / "static" / "site.css", static)


def make_site(folder: Path, source: Path) -> Path:
    """Lay out the pages and let Sphinx write them; returns the first one.

    Raises:
        DistillError: something is missing, or Sphinx stopped.
    """
    from sphinx.cmd.build import build_main

    lay_out(source)
    parsed = source.with_name("doctrees")
    if build_main(["-b", "html", "-q", "-d", str(parsed), str(source), str(folder)]):
        raise DistillError("Sphinx could not build the site; what it says stands above.")
    return folder / "index.html"


def main(arguments: Sequence[str]) -> None:
    folder = Path(arguments[0]) if arguments else npm.BUILD / "site"
    print(f"open {make_site(folder, folder.with_name('site-source'))}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DistillError as error:
        sys.exit(f"error: {error}")
