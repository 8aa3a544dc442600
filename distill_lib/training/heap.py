"""What a training step has freed is kept for the next step, where glibc would give it back.

A step allocates the same large tensors each time. glibc asks the system for each of them and gives
it back at once, so that all pages are cleared anew, which is a part of a CPU's step that one sees.
"""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of `mallopt`: free bytes from which the heap shrinks; blocks that may lie outside of it."""
NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let the heap of this process keep what is freed, as long as the process lives.

    The process stays as large as it ever was. With another C library than glibc nothing changes.
    """
    if has_glibc():
        set_heap(outside=0, trim=NEVER)


def has_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"


def set_heap(outside: int, trim: int) -> None:
    """How many blocks may lie outside of glibc's heap, and how many free bytes shrink it."""
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, outside)
    libc.mallopt(M_TRIM_THRESHOLD, trim)
