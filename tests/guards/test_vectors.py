"""Texts of many requests read together: each gets its own vector, and a failure reaches all who wait for it."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from guards.vectors import Floats, Vectors


class Model:
    """Says a text's length; it waits at a gate, so that others can gather behind it."""

    def __init__(self) -> None:
        self.read: list[list[str]] = []
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.gate.set()

    def __call__(self, texts: Sequence[str]) -> Floats:
        self.read.append(list(texts))
        self.begun.set()
        self.gate.wait(30)
        if "bad" in texts:
            raise ValueError("cannot be read")
        return np.array([[len(text)] for text in texts], np.float32)


async def started(model: Model) -> None:
    await asyncio.to_thread(model.begun.wait, 30)


async def test_what_comes_while_the_model_reads_is_read_together() -> None:
    model = Model()
    vectors = Vectors(model, most=3)
    model.gate.clear()
    first = asyncio.create_task(vectors.embed(["a"]))
    await started(model)
    rest = [asyncio.create_task(vectors.embed(["b" * n])) for n in range(2, 6)]
    await asyncio.sleep(0)
    model.gate.set()
    assert [float(each[0, 0]) for each in await asyncio.gather(first, *rest)] == [1, 2, 3, 4, 5]
    assert [len(each) for each in model.read] == [1, 3, 1]


async def test_a_known_text_is_not_read_again() -> None:
    model = Model()
    vectors = Vectors(model)
    assert (
        (await vectors.embed(["a", "bb"])).tolist()
        == (await vectors.embed(["a", "bb"])).tolist()
        == [[1], [2]]
    )
    assert sum(map(len, model.read)) == 2


async def test_a_failure_reaches_who_waits_and_spoils_nothing_after() -> None:
    vectors = Vectors(Model())
    with pytest.raises(ValueError, match="cannot be read"):
        await vectors.embed(["bad"])
    assert (await vectors.embed(["fine"])).tolist() == [[4]]


async def test_a_text_that_nobody_waits_for_is_not_read() -> None:
    model = Model()
    vectors = Vectors(model)
    model.gate.clear()
    first = asyncio.create_task(vectors.embed(["a"]))
    await started(model)
    left = asyncio.create_task(vectors.embed(["left"]))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.wait([left])
    model.gate.set()
    await first
    await vectors.embed(["after"])
    assert ["left"] not in model.read


def test_it_serves_one_event_loop_after_another() -> None:
    vectors = Vectors(Model())
    assert [asyncio.run(vectors.embed(["a" * n]))[0, 0] for n in (1, 2)] == [1, 2]
