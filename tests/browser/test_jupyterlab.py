"""The course opened in JupyterLab, as a student does it, and one slider moved."""

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from browser.watch import OWN, Watch
from docs import notebook_text

HARMLESS = re.compile(
    r"/api/(workspaces|settings|me/subscriptions)|favicon|"  # asked for before they exist
    r"WebSocket is closed before the connection is established"  # the page was left while it opened
)
SECONDS = 120
IMAGES = ".jp-OutputArea-output img"


def with_slider() -> Path:
    """The first notebook that has a slider."""
    for path in notebook_text.lessons():
        if any("skip-output" in c.metadata.get("tags", []) for c in notebook_text.read(path).cells):
            return path
    raise AssertionError("no notebook of the course has a slider")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a free port, over a copy of the notebook: its address, with the token."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(with_slider(), folder)
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(folder / name) for name in ("SETTINGS", "WORKSPACES")}
    settings = folder / "SETTINGS" / "@jupyterlab"
    for name, values in {  # no news from the network; cells outside the window are drawn too
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }.items():
        file = settings / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), "utf-8")
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ip": "127.0.0.1",
        "port": port,
        "port_retries": 0,
        "root_dir": folder,
        "allow_root": True,
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser"]
    command += [f"--ServerApp.{name}={value}" for name, value in options.items()]
    command += [f"--IdentityProvider.token={token}"]
    log = folder / "jupyter.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command, env=os.environ | own, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_until_up(f"http://127.0.0.1:{port}/api/status?token={token}", server, log)
        yield f"http://127.0.0.1:{port}/lab/tree/{with_slider().name}?token={token}"
    finally:
        server.terminate()
        server.wait(SECONDS)


def wait_until_up(address: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except urllib.error.URLError:
            time.sleep(0.3)
    raise AssertionError(log.read_text())


def problems_of(watch: Watch) -> list[str]:
    return [problem for problem in watch.problems if not HARMLESS.search(problem)]


def run_all(page, shown) -> None:
    """Run every cell until `shown` is there; asked again where a click was lost.

    The kernel is busy of itself while it starts, so that this says nothing.
    """
    from playwright.sync_api import TimeoutError

    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
    for _ in range(3):
        page.locator(".lm-MenuBar-item:has-text('Run')").click()
        page.locator(".lm-Menu-item[data-command='runmenu:run-all']").click()
        with contextlib.suppress(TimeoutError):
            shown.wait_for(timeout=SECONDS * 1000)
            return
    raise AssertionError("the notebook was run three times, and its output is not there")


def test_a_notebook_opens_with_its_figures_and_formulas(lab, context):
    watch = Watch(context, OWN)
    watch.page.goto(lab)
    watch.page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
    cells = notebook_text.read(with_slider()).cells
    pictures = sum("image/png" in o.get("data", {}) for c in cells for o in c.get("outputs", []))
    for selector, count in ((".jp-Notebook .jp-Cell", len(cells)), (IMAGES, pictures)):
        wait = "([selector, n]) => document.querySelectorAll(selector).length == n"
        watch.page.wait_for_function(wait, arg=[selector, count])
    images = watch.page.locator(IMAGES)
    assert images.count() > 0
    assert images.evaluate_all("(all) => all.every((image) => image.naturalWidth > 0)")
    watch.page.locator(".jp-MarkdownOutput mjx-container").first.wait_for()
    assert watch.page.locator("mjx-merror").count() == 0
    assert problems_of(watch) == []


def test_a_notebook_runs_and_its_slider_moves(lab, context):
    watch = Watch(context, OWN)
    page = watch.page
    page.goto(lab)
    slider = page.locator(".jp-OutputArea-output .noUi-handle").first
    run_all(page, slider)
    figure = page.locator(".jupyter-widgets img").first
    before = figure.get_attribute("src")
    slider.focus()
    page.keyboard.press("ArrowRight")
    shown = "document.querySelector('.jupyter-widgets img')?.src ?? before"
    page.wait_for_function(f"(before) => ({shown}) != before", arg=before)
    errors = page.locator("[data-mime-type='application/vnd.jupyter.error']")
    assert errors.count() == 0
    assert problems_of(watch) == []
