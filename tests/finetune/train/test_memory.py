"""Freed memory, while training and after."""

import sys
from pathlib import Path

import numpy as np
import pytest

from finetune.train.memory import let_go, memory_kept
from tests.fakes.ring import dropped, no_collection

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
        assert resident() - before > 0.5 * PAGES  # others may give some back meanwhile
    assert resident() - before < 0.2 * PAGES


def test_what_refers_to_itself_is_given_back() -> None:
    with no_collection():
        ring = dropped()
        assert ring() is not None
        let_go()
        assert ring() is None


def test_a_device_gets_back_what_torch_kept() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    torch.ones(2**24, device="cuda")
    assert torch.cuda.memory_reserved() >= 2**26
    let_go()
    assert torch.cuda.memory_reserved() < 2**26
