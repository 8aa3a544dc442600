"""The watch sees what it is there for."""

import pytest

from browser.watch import Watch

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
FAULTS = {
    "broken image": '<img src="data:image/png;base64,AAAA">',
    "failed": '<img src="nowhere.png">',
    "foreign": '<script src="https://example.org/mathjax.js"></script>',
    "console": "<script>console.error('oh')</script>",
    "exception": "<script>nothing.here()</script>",
    "formula left as text": "<p>the margin $m_c$ of</p>",
    "formula with an error": '<mjx-container><g data-mml-node="merror">x</g></mjx-container>',
    "table left as text": "<p>| a | b | |---|---| | 1 | 2 |</p>",
}


def look_at(context, tmp_path, body: str) -> list[str]:
    path = tmp_path / "page.html"
    path.write_text(f"<!DOCTYPE html><title>t</title><body>{body}</body>", encoding="utf-8")
    watch = Watch(context)
    watch.page.goto(path.as_uri())
    return watch.look()


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_seen(kind, context, tmp_path):
    problems = look_at(context, tmp_path, FAULTS[kind])
    assert any(problem.startswith(kind) for problem in problems), problems


def test_a_page_without_faults_is_clean(context, tmp_path):
    body = f'<p>a | b, 3 $</p><code>$x$ |---|</code><img src="{PIXEL}">'
    assert look_at(context, tmp_path, body) == []
