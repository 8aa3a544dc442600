"""What a notebook of the course must have, besides running (nbval does that)."""

import ast
import re

import nbformat
import pytest
from nbformat import NotebookNode

from distill_lib import checks, notebook, paths
from distill_lib.errors import DistillError
from docs.run_notebooks import clean, find

FOLDER = paths.ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
SOLUTIONS = sorted((FOLDER / "solutions").glob("*.ipynb"))
EVERY = [*NOTEBOOKS, *SOLUTIONS, FOLDER / "_template.ipynb"]
LINES = 25
KILOBYTES = 400
MACHINE_PATHS = re.compile(r"(?<![\w.:/])(/(home|root|tmp|work|usr|Users|content)/|[A-Z]:\\)")


def read(path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(book: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def tagged(book: NotebookNode, tag: str) -> list[NotebookNode]:
    return [cell for cell in code_cells(book) if tag in cell.metadata.get("tags", [])]


def text_of(book: NotebookNode) -> str:
    return "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")


def headings(book: NotebookNode, level: str = "##") -> list[str]:
    return re.findall(rf"^{level} (.+)$", text_of(book), flags=re.MULTILINE)


def printed(cell: NotebookNode) -> str:
    return "".join(o.text for o in cell.outputs if o.output_type == "stream").strip()


each = pytest.mark.parametrize("path", EVERY, ids=lambda p: str(p.relative_to(FOLDER)))
each_lesson = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
each_solution = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda p: p.stem)


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS][:1] == ["00_start_here"]


@each
def test_it_was_run_once_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in code_cells(read(path))]
    assert counts == list(range(1, len(counts) + 1)), "restart and run all, then save"


@each
def test_outputs_are_clean(path):
    for cell in code_cells(read(path)):
        if "skip-output" in cell.metadata.get("tags", []):
            assert not cell.outputs, "a slider cell is committed without its output"
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", output.text
            assert "image/svg+xml" not in output.get("data", {})
            shown = output.get("text", "") + str(
                {k: v for k, v in output.get("data", {}).items() if k != "image/png"}
            )
            assert "Warning" not in shown
            assert not MACHINE_PATHS.search(shown), shown


@each
def test_checked_cells_have_something_to_compare_with(path):
    checked = tagged(read(path), "nbval-check-output")
    assert checked
    assert all(cell.outputs for cell in checked)


@each_lesson
def test_it_has_a_picture_and_is_small(path):
    outputs = [output for cell in code_cells(read(path)) for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert path.stat().st_size < KILOBYTES * 1000


@each
def test_cells_are_short_and_slides_are_marked(path):
    book = read(path)
    assert book.metadata.kernelspec.name == "python3"
    for cell in book.cells:
        assert cell.metadata.get("slideshow", {}).get("slide_type"), cell.source[:60]
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= LINES, cell.source[:60]
    for cell in tagged(book, "remove-input"):
        assert cell.source.rstrip().endswith("plt.show()"), cell.source


@each
def test_the_source_leaves_the_machine_alone(path):
    for cell in code_cells(read(path)):
        ast.parse(cell.source)  # no magics, no shell
        assert not re.search(r"sys\.path|os\.environ|filterwarnings|;\s*$", cell.source), (
            cell.source
        )


@each
def test_headings_are_the_templates(path):
    template = headings(read(FOLDER / "_template.ipynb"))
    book = read(path)
    ours = headings(book)
    assert ours == [heading for heading in template if heading in ours]
    assert len(headings(book, "#")) == 1


@each_lesson
def test_a_lesson_has_its_parts(path):
    needed = {"What you will learn", "The question", "The figure", "Check yourself", "Exercise"}
    book = read(path)
    assert needed | {"Summary"} <= set(headings(book))
    recall = next(cell.source for cell in book.cells if cell.source.startswith("## Check yourself"))
    assert recall.count("<details><summary>answer") == 3


@each
def test_the_set_up_cell_is_the_same_everywhere(path):
    first = code_cells(read(path))[0]
    assert first.source == code_cells(read(FOLDER / "_template.ipynb"))[0].source
    assert len(first.source.splitlines()) <= 8


def test_the_set_up_cell_says_how_to_install(monkeypatch):
    source = code_cells(read(FOLDER / "_template.ipynb"))[0].source
    monkeypatch.setitem(__import__("sys").modules, "distill_lib.notebook", None)
    monkeypatch.delattr("distill_lib.notebook")
    with pytest.raises(ImportError, match=r"pip install -e \. .*Colab"):
        exec(source, {})


@each
def test_linked_files_exist_and_named_notebooks_are_on_the_map(path):
    text = text_of(read(path))
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (path.parent / target).exists(), target
    course = re.findall(r"^\| \[?(\d\d)_", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    named = re.findall(r"\bnotebooks? (\d\d)(?: to (\d\d))?", text)
    assert {number for pair in named for number in pair if number} <= set(course)


def test_the_map_lists_what_is_there():
    text = (FOLDER / "README.md").read_text("utf-8")
    for path in NOTEBOOKS:
        assert f"({path.name})" in text
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (FOLDER / target).exists(), target


@each_lesson
def test_an_exercise_is_open_and_its_solution_passes(path, capsys):
    stubs = tagged(read(path), "exercise")
    solution = FOLDER / "solutions" / path.name
    assert solution.exists() == bool(stubs)
    for stub in stubs:
        exec(stub.source, {"checks": checks})
        assert capsys.readouterr().out.strip() == checks.NOT_ATTEMPTED
        assert printed(stub) == checks.NOT_ATTEMPTED


@each_solution
def test_a_solution_is_correct_when_run_anew(path, capsys):
    book = read(path)
    solved = tagged(book, "solution")
    assert solved
    assert len(solved) == len(tagged(read(FOLDER / path.name), "exercise"))
    names = {}
    imports = [cell.source for cell in code_cells(book)[1:] if cell.source.startswith("import ")]
    for source in [*imports, *(cell.source for cell in solved)]:
        exec(source, names)
    assert capsys.readouterr().out.split() == [checks.CORRECT] * len(solved)
    assert all(printed(cell) == checks.CORRECT for cell in solved)


def test_a_new_run_changes_what_it_found_and_no_more():
    book = read(FOLDER / "_template.ipynb")
    saved = nbformat.writes(book)
    book.metadata.language_info.version = "3.13.5"
    slider = code_cells(book)[-1]
    slider.metadata.execution = {"iopub.status.busy": "2026-01-01T00:00:00Z"}
    assert nbformat.writes(clean(book)) == saved
    slider.metadata.tags = ["skip-output"]
    slider.outputs.append(nbformat.v4.new_output("stream", text="a slider"))
    assert code_cells(clean(book))[-1].outputs == []


def test_a_notebook_is_found_by_its_number():
    assert find("06").stem == "06_overhaul" and find("solutions/06").parent.name == "solutions"
    with pytest.raises(SystemExit, match="'1' begins the names of 6 notebooks"):
        find("1")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda book: code_cells(book)[1].update(execution_count=7),
        lambda book: code_cells(book)[0]["outputs"].append(
            nbformat.v4.new_output("stream", name="stderr", text="a warning")
        ),
        lambda book: code_cells(book)[0]["outputs"].append(
            nbformat.v4.new_output("stream", name="stdout", text="see /home/me/runs")
        ),
        lambda book: [cell.update(outputs=[]) for cell in tagged(book, "nbval-check-output")],
        lambda book: book.cells[0].metadata.pop("slideshow"),
        lambda book: book.cells.append(nbformat.v4.new_markdown_cell("## By heart")),
        lambda book: code_cells(book)[0].update(source="import distill_lib"),
        lambda book: book.cells[0].update(source="# A\n[gone](99_gone.ipynb)"),
        lambda book: code_cells(book)[0].update(source="import os\n" * 26),
    ],
)
def test_a_planted_fault_is_seen(tmp_path, monkeypatch, spoil):
    """Each guard above turns red on the fault that it is for."""
    book = read(FOLDER / "_template.ipynb")
    spoil(book)
    path = tmp_path / "_template.ipynb"
    path.write_text(nbformat.writes(book), encoding="utf-8")
    guards = (
        test_it_was_run_once_from_top_to_bottom,
        test_outputs_are_clean,
        test_checked_cells_have_something_to_compare_with,
        test_cells_are_short_and_slides_are_marked,
        test_headings_are_the_templates,
        test_the_set_up_cell_is_the_same_everywhere,
        test_linked_files_exist_and_named_notebooks_are_on_the_map,
    )
    seen = []
    for guard in guards:
        try:
            guard(path)
        except (AssertionError, AttributeError) as error:
            seen.append(error)
    assert seen


def test_the_budget_comes_from_the_environment(monkeypatch, capsys):
    monkeypatch.delenv("DISTILL_BUDGET", raising=False)
    assert notebook.start() == "smoke"
    assert "budget smoke, device" in capsys.readouterr().out
    monkeypatch.setenv("DISTILL_BUDGET", "laptop")
    assert notebook.budget_from_environment() == "laptop"
    monkeypatch.setenv("DISTILL_BUDGET", "huge")
    with pytest.raises(DistillError, match="'huge'; expected one of smoke, laptop, paper"):
        notebook.budget_from_environment()
