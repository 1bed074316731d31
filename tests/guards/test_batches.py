"""Batches: whoever comes while one is computed shares the next; whoever leaves is left out."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from guards.batches import Batches


class Doubling:
    """Doubles numbers; held until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()
        self.busy = threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.busy.set()
        assert self.go.wait(10)
        if -1 in items:
            raise ValueError("not that one")
        return [2 * item for item in items]


async def until_busy(doubling: Doubling) -> None:
    while not doubling.busy.is_set():
        await asyncio.sleep(0.001)


async def test_those_who_come_meanwhile_share_the_next_batch() -> None:
    doubling = Doubling()
    batches = Batches(doubling, 4)
    first = asyncio.create_task(batches.ask([1]))
    await until_busy(doubling)
    others = [asyncio.create_task(batches.ask([number])) for number in (2, 3, 4)]
    await asyncio.sleep(0)
    doubling.go.set()
    assert await asyncio.gather(first, *others) == [[2], [4], [6], [8]]
    assert doubling.batches == [[1], [2, 3, 4]]


@pytest.mark.parametrize("count", [0, 1, 4, 5, 9])
async def test_many_items_are_computed_in_several_batches(count: int) -> None:
    doubling = Doubling()
    doubling.go.set()
    assert await Batches(doubling, 4).ask(range(count)) == [2 * number for number in range(count)]
    assert all(len(batch) <= 4 for batch in doubling.batches)


async def test_what_nobody_waits_for_is_not_computed() -> None:
    doubling = Doubling()
    batches = Batches(doubling, 4)
    first = asyncio.create_task(batches.ask([1]))
    await until_busy(doubling)
    leaving, staying = (
        asyncio.create_task(batches.ask(range(100, 150))),
        asyncio.create_task(batches.ask([2])),
    )
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    doubling.go.set()
    assert (await first, await staying) == ([2], [4])
    assert doubling.batches == [[1], [2]]


async def test_a_failure_reaches_whoever_shared_the_batch_and_nobody_after() -> None:
    doubling = Doubling()
    doubling.go.set()
    batches = Batches(doubling, 4)
    with pytest.raises(ValueError, match="not that one"):
        await batches.ask([-1])
    assert await batches.ask([3]) == [6]


def test_each_event_loop_may_ask() -> None:
    doubling = Doubling()
    doubling.go.set()
    batches = Batches(doubling, 4)
    assert [asyncio.run(batches.ask([number])) for number in (1, 2)] == [[2], [4]]
