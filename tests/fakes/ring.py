"""Garbage that only the collector finds, as trainers and models are when they are done with."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager


class Ring:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def dropped() -> "weakref.ref[Ring]":
    """A ring that nobody else refers to."""
    return weakref.ref(Ring())


@contextmanager
def no_collection() -> Iterator[None]:
    """Within it, garbage goes only when somebody asks for it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
