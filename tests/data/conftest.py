"""Tests of the data package run without the data of this machine."""

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No test sees the data or the cache of this machine."""
    monkeypatch.delenv("DISTILL_DATA", raising=False)
    monkeypatch.setenv("DISTILL_CACHE", str(tmp_path / "cache"))
