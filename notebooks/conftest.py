"""How nbval runs and compares notebooks: two at a time, but for stderr and svg pictures."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Notebooks side by side: a kernel with a thread for each core would wait for the other's.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collectstart(collector):
    """Skip both; the hook sees every collector, and only nbval's have the attribute."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr", "image/svg+xml")
