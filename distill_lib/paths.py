"""Where things are, whatever the working directory: notebooks start in `notebooks/`."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def data_dir() -> Path:
    """The embedded data set."""
    return ROOT / "data"


def runs_dir() -> Path:
    """Runs of this machine, never committed."""
    return ROOT / "runs"


def results_dir() -> Path:
    """Records of real runs, and the shipped teachers, committed."""
    return ROOT / "results"


def cache_dir() -> Path:
    """Decoded data sets: `DISTILL_CACHE`, or `.cache` of the checkout."""
    return Path(os.environ.get("DISTILL_CACHE") or ROOT / ".cache")


def extra_data_root() -> Path | None:
    """The one further place where data is looked for, only read: `DISTILL_DATA`."""
    root = os.environ.get("DISTILL_DATA")
    return Path(root) if root else None


def relative(path: Path) -> str:
    """A path as the person in the working directory would type it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
