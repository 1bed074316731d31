"""Keeps the training libraries' bars and warnings off the screen; ours tell the progress."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from transformers.utils import logging as hub_bars


@contextmanager
def quiet() -> Iterator[None]:
    """No bars and no warnings of the libraries on the screen: progress is told by us."""
    bars = not are_progress_bars_disabled(), hub_bars.is_progress_bar_enabled()
    disable_progress_bars()
    hub_bars.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if bars[0]:
            enable_progress_bars()
        if bars[1]:
            hub_bars.enable_progress_bar()
