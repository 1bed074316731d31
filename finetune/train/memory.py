"""Freed memory stays with the process while it trains, and goes back when it has nothing more to do.

A step frees and asks again for the same hundreds of megabytes. By default glibc hands blocks of that size back to the
kernel, which clears each page before it gives it out again: a sixth of a step on a virtual machine of two cores.
"""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -2, -3, -4, -8  # as malloc.h numbers them
KEEPING = {TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**28, MMAP_MAX: 0, ARENA_MAX: 1}
# The thresholds where glibc's own adaptation would have ended: told any of these, it adapts no more.
USUAL = {TRIM_THRESHOLD: 2**26, TOP_PAD: 2**17, MMAP_THRESHOLD: 2**25, MMAP_MAX: 2**16, ARENA_MAX: 0}


@contextmanager
def memory_kept() -> Iterator[None]:
    """Within it, glibc keeps what is freed; afterwards it gives it back. Other C libraries are left alone."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        yield
        return
    for option, value in KEEPING.items():
        libc.mallopt(option, value)
    try:
        yield
    finally:
        for option, value in USUAL.items():
            libc.mallopt(option, value)
        libc.malloc_trim(0)


def let_go() -> None:
    """Let go of models that are done with: a worker that waits must not hold the device's memory for weeks.

    Trainers and models refer to themselves in circles, and torch keeps freed blocks of a device for itself.
    """
    gc.collect()
    torch = sys.modules.get("torch")  # whoever never loaded it has nothing on a device
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
