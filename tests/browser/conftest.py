"""One headless Chromium, the decks and the site, made once; skipped where they cannot be made."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from distill_lib import paths
from docs import npm

MINUTES = 60_000
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
NEEDED = {  # what is missing: how to get it
    "Chromium": CHROMIUM,
    "playwright (extra [browser])": importlib.util.find_spec("playwright"),
    "myst-nb (extra [docs])": importlib.util.find_spec("myst_nb"),
    "sphinx-book-theme (extra [docs])": importlib.util.find_spec("sphinx_book_theme"),
    "npm": npm.npm_command(),
}
MISSING = [name for name, found in NEEDED.items() if not found]


def pytest_collection_modifyitems(items):
    """Mark what lies here; where something is missing, skip it, but never on CI."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            if MISSING and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip(reason=f"not installed: {', '.join(MISSING)}"))


def run_module(module: str, folder: Path) -> subprocess.CompletedProcess:
    """`python -m docs.<module> folder`, as make runs it."""
    command = [sys.executable, "-m", f"docs.{module}", str(folder)]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="session")
def decks(tmp_path_factory) -> Path:
    """The folder of all slide decks."""
    folder = tmp_path_factory.mktemp("slides")
    run_module("make_slides", folder)
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The folder of the site, which Sphinx made without a warning."""
    folder = tmp_path_factory.mktemp("site") / "html"
    said = run_module("make_site", folder).stderr
    assert not re.findall("WARNING|ERROR", said), said
    return folder


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Containers give Chromium neither a sandbox of its own nor a large /dev/shm.
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium):
    """A browser context of a projector's size, whose pages reach this machine only."""
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(4 * MINUTES)
    context.route(re.compile(r"^https?://(?!127\.0\.0\.1[:/])"), lambda route: route.abort())
    yield context
    context.close()
