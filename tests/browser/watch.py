"""What a page did wrong while it was open, and what a reader would see wrong in it."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

OWN = re.compile(r"^(file|data|blob|about):|^(http|ws)://127\.0\.0\.1[:/]")
"""Addresses that need no network."""

SEEN = r"""() => {
    const hidden = "script, style, textarea, mjx-container, code, pre, .headerlink";
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) {
        if (!walker.currentNode.parentElement.closest(hidden)) texts.push(walker.currentNode.data);
    }
    const having = (pattern) => texts.filter((text) => pattern.test(text));
    return {
        "broken image": [...document.images]
            .filter((image) => image.complete && !image.naturalWidth)
            .map((image) => image.src.slice(0, 80)),
        "formula left as text": having(/\$\$|\$[^\s$][^$]*\$|\\\(|\\frac|\\lvert/),
        "formula with an error": [...document.querySelectorAll("[data-mml-node=merror]")]
            .map((node) => node.textContent),
        "table left as text": having(/\|\s*[-–—]{2,}/),
    };
}"""


class Watch:
    """Opens one page and notes foreign or failed requests, console errors and exceptions."""

    def __init__(self, context: "BrowserContext", own: re.Pattern = OWN):
        self.problems: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("request", lambda r: self._note(not own.match(r.url), "foreign", r.url))
        self.page.on("requestfailed", lambda r: self._note(True, "failed", r.url))
        self.page.on("response", lambda r: self._note(r.status >= 400, r.status, r.url))
        self.page.on("console", lambda m: self._note(m.type == "error", "console", m.text))
        self.page.on("pageerror", lambda error: self._note(True, "exception", error))

    def _note(self, is_problem: bool, kind: object, what: object) -> None:
        if is_problem:
            self.problems.append(f"{kind}: {str(what)[:200]}")

    def look(self) -> list[str]:
        """All problems so far, those that can be seen in the page included."""
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        seen = self.page.evaluate(SEEN)
        return self.problems + [f"{kind}: {text}" for kind, texts in seen.items() for text in texts]
