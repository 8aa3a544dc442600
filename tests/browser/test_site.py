"""Every page of the site as a browser shows it from a folder, with the network off."""

import re

import pytest

from browser.watch import Watch
from distill_lib import paths
from distill_lib.records import find_records
from distill_lib.report import group_by_seed
from docs import make_site, notebook_text

PAGES = [
    "index",
    "results",
    "solutions",
    *(f"docs/{name}" for name in make_site.PAGES),
    *(f"notebooks/{path.stem}" for path in notebook_text.lessons()),
    *(f"notebooks/solutions/{path.stem}" for path in notebook_text.solutions()),
]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_whole(page, site, context):
    watch = Watch(context)
    watch.page.goto((site / f"{page}.html").as_uri())
    assert watch.look() == []
    width = watch.page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= watch.page.viewport_size["width"]
    assert watch.page.locator("article h1").count() == 1
    notebook = paths.ROOT / f"{page}.ipynb"
    if notebook.exists():
        cells = notebook_text.read(notebook).cells
        outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
        pictures = sum("image/png" in data for data in outputs)
        assert watch.page.locator(".cell_output img").count() == pictures
        has_math = any("$" in cell.source for cell in cells if cell.cell_type == "markdown")
        assert bool(watch.page.locator("mjx-container svg").count()) == has_math


def test_every_link_within_the_site_leads_somewhere(site):
    for page in [site / f"{name}.html" for name in PAGES]:
        for target in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text("utf-8")):
            assert not target.startswith(("http", "//")), (page, target)
            if ":" not in target:
                assert (page.parent / target).exists(), (page, target)


def test_the_index_is_a_map(site, context):
    page = Watch(context).page
    page.goto((site / "index.html").as_uri())
    for path in notebook_text.lessons():
        title, idea, _ = notebook_text.first_cell(path)
        row = page.locator("article tr", has=page.get_by_role("link", name=title, exact=True))
        shown = row.first.inner_text().replace("’", "'")  # the site sets typographic ones
        assert " ".join(idea.split()[:4]) in shown


def test_the_results_are_the_report(site, context):
    page = Watch(context).page
    page.goto((site / "results.html").as_uri())
    groups = group_by_seed(find_records(paths.ROOT / "results"))
    assert page.locator("article tbody tr").count() == len(groups)
    assert page.locator('article img[src$="report.png"]').count() == 1


def test_search_works_from_a_folder(site, context):
    watch = Watch(context)
    watch.page.goto((site / "search.html").as_uri() + "?q=margin")
    watch.page.locator("#search-results li").first.wait_for()
    assert watch.problems == []
