"""Freed memory is kept for the next step, not cleared anew."""

import platform
import subprocess
import sys

import pytest

from distill_lib.training.heap import has_glibc, keep_freed_memory

PAGES_CLEARED_FOR_A_TENSOR = """
import resource
import torch
from distill_lib.training.heap import keep_freed_memory
{}
for _ in range(20):
    torch.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not has_glibc(), reason="a setting of glibc's heap")
@pytest.mark.parametrize(
    ("first", "pages"), [("", range(20, 2**20)), ("keep_freed_memory()", range(20))]
)
def test_the_pages_of_freed_tensors_serve_the_next(first, pages):
    code = PAGES_CLEARED_FOR_A_TENSOR.format(first)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) in pages


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr("distill_lib.training.heap.set_heap", None)
    keep_freed_memory()
