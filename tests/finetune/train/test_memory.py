"""Freed memory, while training and after."""

import sys
from pathlib import Path

import numpy as np
import pytest

from finetune.train.memory import memory_kept

PAGES = 200 * 2**20 // 4096


def resident() -> int:
    """Pages of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc that is told")
def test_freed_memory_stays_while_training_and_goes_afterwards() -> None:
    before = resident()
    with memory_kept():
        block = np.ones(PAGES * 512)
        del block
        assert resident() - before > 0.8 * PAGES
    assert resident() - before < 0.2 * PAGES
