"""How nbval compares: what is written to stderr and svg pictures are not."""


def pytest_collectstart(collector):
    """Skip both; the hook sees every collector, and only nbval's have the attribute."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr", "image/svg+xml")
