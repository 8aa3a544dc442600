"""Every deck as a projector shows it: no network, formulas and figures there, nothing cut off."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from browser.watch import Watch
from docs import make_slides, notebook_text, npm

SLIDES = """() => {
    Reveal.configure({viewDistance: 1000});  // or those far away have no size
    const slides = [...document.querySelectorAll(".slides > section > section")];
    return slides.map((slide) => ({
        title: slide.innerText.split("\\n")[0],
        size: Number(slide.dataset.size),
        scrolls: slide.classList.contains("scrolls"),
        tooWide: [...slide.querySelectorAll("img, pre, table, mjx-container")]
            .map((part) => [part, part.getBoundingClientRect()])
            .filter(([part, box]) => box.right > slide.getBoundingClientRect().right)
            .map(([part]) => part.outerHTML.slice(0, 200)),
    }));
}"""
PIXEL = "R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
PARAGRAPHS = "\n\n".join(["A paragraph of its own."] * 8)


def opened(context, deck, query: str = "") -> Watch:
    watch = Watch(context)
    watch.page.goto(deck.as_uri() + query)
    watch.page.wait_for_selector("body[data-fitted]")
    return watch


def slide_type(cell) -> str:
    return cell.metadata.get("slideshow", {}).get("slide_type", "-")


@pytest.mark.parametrize("path", notebook_text.lessons(), ids=lambda path: path.stem)
def test_a_deck_is_whole(path, decks, context):
    watch = opened(context, decks / f"{path.stem}.html")
    assert watch.look() == []
    book = notebook_text.read(path)
    shown = [cell for cell in book.cells if slide_type(cell) not in ("skip", "notes")]
    pictures = [o for c in shown for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    assert watch.page.locator(".jp-RenderedImage img").count() == len(pictures)
    slides = watch.page.evaluate(SLIDES)
    starts = [cell for cell in shown if slide_type(cell) in ("slide", "subslide")]
    assert len(slides) >= len(starts)
    for slide in slides:
        assert not slide["scrolls"], f"a cell under {slide['title']!r} is higher than a slide"
        assert slide["tooWide"] == [], slide["title"]


def test_the_list_leads_to_every_deck(decks, context):
    watch = Watch(context)
    watch.page.goto((decks / "index.html").as_uri())
    links = watch.page.evaluate("() => [...document.links].map((link) => link.href)")
    assert links == [(decks / f"{path.stem}.html").as_uri() for path in notebook_text.lessons()]
    for deck in links:
        watch.page.goto(deck)
        assert re.match(r"\d\d ", watch.page.title())
    assert watch.problems == []


def cell(kind, source: str, slide: str, tags=(), outputs=()):
    made = (new_code_cell if kind == "code" else new_markdown_cell)(source)
    made.metadata = nbformat.from_dict({"slideshow": {"slide_type": slide}, "tags": list(tags)})
    if kind == "code":
        made.outputs = list(outputs)
    return made


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A deck that has one of everything."""
    folder = tmp_path_factory.mktemp("example")
    picture = new_output("display_data", {"image/png": PIXEL})
    printed = new_output("stream", name="stdout", text="printed by a hidden cell")
    long_line = f"answer = {' + '.join(['1'] * 22)}"
    book = new_notebook(
        cells=[
            cell("markdown", "# 42 Example\n\nwith $\\gamma_c$ & more", "slide"),
            cell("markdown", "*Ask*: why is $m_c < 0$?", "notes"),
            cell("code", "secret_of_the_setup = 1", "skip"),
            cell("markdown", "## Links\n\n[next](43_other.ipynb), [map](README.md)", "slide"),
            cell("code", "draw_in_secret()", "fragment", ["remove-input"], [printed, picture]),
            cell("code", long_line, "subslide"),
            cell("markdown", "Text.\n$$\\boldsymbol{a}^2$$\nMore.", "-"),
            cell("markdown", "## Long\n\n" + PARAGRAPHS, "slide"),
            cell("markdown", PARAGRAPHS, "fragment"),
            cell("markdown", 8 * f"{PARAGRAPHS}\n\n", "slide"),
        ]
    )
    path = folder / "42_example.ipynb"
    nbformat.write(book, path)
    slides = make_slides.exporter(npm.node_modules())
    return make_slides.write_deck(path, folder, ["42_example", "43_other"], slides)


def test_tags_and_slide_types_are_honoured(example, context):
    watch = opened(context, example)
    assert watch.look() == []
    page = watch.page
    assert page.title() == "42 Example"
    html = example.read_text("utf-8")
    assert "secret_of_the_setup" not in html and "draw_in_secret" not in html
    assert page.get_by_text("printed by a hidden cell").count() == 1
    assert page.locator(".slides > section").count() == 4
    assert page.locator(".fragment img").count() == 1
    assert page.locator("section mjx-container").count() == 3  # the note's is one of them
    links = page.evaluate("() => [...document.links].map((a) => [a.innerText, a.href])")
    leaving = [link for link in links if not link[1].startswith(example.as_uri())]
    assert leaving == [["next", example.with_name("43_other.html").as_uri()]]


def test_slides_are_fitted(example, context):
    slides = opened(context, example).page.evaluate(SLIDES)
    titles = [slide["title"] for slide in slides]
    assert titles[3:5] == ["Long", "Long"], "what is too much goes on to a second slide"
    assert [slide["scrolls"] for slide in slides] == [False] * 5 + [True]
    assert [slide["size"] for slide in slides] == [1, 1, 1, 1, 1, 0.6]
    assert all(slide["tooWide"] == [] for slide in slides)


def test_the_speaker_sees_the_notes(example, context):
    watch = opened(context, example)
    assert not watch.page.get_by_text("why is").is_visible()
    with context.expect_page() as opening:
        watch.page.keyboard.press("s")
    notes = opening.value.locator(".speaker-controls-notes")
    notes.get_by_text("why is").wait_for()
    assert notes.locator("mjx-container svg").count() == 1


def test_a_deck_prints_one_slide_to_a_page(example, context):
    page = opened(context, example, "?print-pdf").page
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 6
    assert page.evaluate("() => Reveal.getSlides().map((slide) => slide.dataset.size)[0]") == "1.00"
