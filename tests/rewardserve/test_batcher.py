"""Every waiting caller is answered once: a reward, an error, or closed."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardserve.batcher import Batcher, BatchLimits, Served, Waiting, take_batch
from rewardserve.errors import BatcherClosed, Overloaded, ScoringFailed, TooLarge
from tests.fakes.scorer import FakeItem, FakeScorer

LIMITS = BatchLimits(items=4, padded_tokens=40, waiting=8)


def item(text: str, tokens: int = 1) -> FakeItem:
    return FakeItem(text, tokens)


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not claim():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def batching(
    scorer: FakeScorer, limits: BatchLimits = LIMITS, on_batch: Callable[[Served], None] = lambda _: None
) -> AsyncIterator[Batcher[FakeItem]]:
    async with Batcher(scorer.score, limits, on_batch) as batcher:
        try:
            yield batcher
        finally:
            scorer.free.set()


def asking(batcher: Batcher[FakeItem], *texts: str) -> asyncio.Task[list[float]]:
    return asyncio.create_task(batcher.score([item(text) for text in texts]))


async def hold_busy(batcher: Batcher[FakeItem], scorer: FakeScorer) -> asyncio.Task[list[float]]:
    """Keep the model busy with one caller, so that the next ones have to wait together."""
    scorer.hold()
    first = asking(batcher, "first")
    await until(scorer.busy.is_set)
    return first


async def test_a_lone_caller_goes_at_once() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        assert await batcher.score([item("abc")]) == [3.0]


async def test_callers_who_wait_together_share_a_batch() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        first = await hold_busy(batcher, scorer)
        others = [asking(batcher, "a"), asking(batcher, "bb"), asking(batcher, "ccc")]
        await until(lambda: batcher.depth == 3)
        scorer.free.set()
        assert await asyncio.gather(first, *others) == [[5.0], [1.0], [2.0], [3.0]]
    assert scorer.batches == [["first"], ["a", "bb", "ccc"]]


async def test_a_batch_holds_no_more_items_than_its_limit() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        await batcher.score([item(text) for text in "abcdef"])
    assert [len(batch) for batch in scorer.batches] == [4, 2]


async def test_padded_tokens_bound_a_batch() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        await batcher.score([item("a", 5), item("b", 15), item("c", 15)])
    assert scorer.batches == [["a", "b"], ["c"]]  # three of 15 tokens would be 45


async def test_an_item_over_the_budget_goes_alone() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        assert await batcher.score([item("a"), item("long", 400), item("c")]) == [1.0, 4.0, 1.0]
    assert scorer.batches == [["a"], ["long"], ["c"]]


async def test_an_error_reaches_exactly_its_batch_and_serving_goes_on() -> None:
    scorer = FakeScorer(rule=lambda text: 1 / 0 if text == "bad" else 7)
    async with batching(scorer) as batcher:
        first = await hold_busy(batcher, scorer)
        broken = [asking(batcher, "bad"), asking(batcher, "beside")]
        await until(lambda: batcher.depth == 2)
        scorer.free.set()
        assert await first == [7.0]
        outcomes = await asyncio.gather(*broken, return_exceptions=True)
        assert [str(one) for one in outcomes] == ["the reward model raised ZeroDivisionError"] * 2
        assert await batcher.score([item("later")]) == [7.0]


async def test_the_first_failure_takes_its_siblings_off_the_queue() -> None:
    scorer = FakeScorer(rule=lambda _: 1 / 0)
    async with batching(scorer) as batcher:
        with pytest.raises(ScoringFailed):
            await batcher.score([item(text) for text in "abcdef"])
        await until(lambda: batcher.depth == 0)
    assert scorer.batches == [list("abcd")]


async def test_the_cause_of_a_failure_is_kept() -> None:
    scorer = FakeScorer(rule=lambda _: 1 / 0)
    async with batching(scorer) as batcher:
        with pytest.raises(ScoringFailed) as failure:
            await batcher.score([item("a")])
    assert isinstance(failure.value.__cause__, ZeroDivisionError)


async def test_a_caller_who_left_is_not_scored() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        first = await hold_busy(batcher, scorer)
        leaver, stayer = asking(batcher, "leaver"), asking(batcher, "stayer")
        await until(lambda: batcher.depth == 2)
        leaver.cancel()
        await asyncio.wait([leaver])
        scorer.free.set()
        assert await first == [5.0]
        assert await stayer == [6.0]
    assert scorer.batches == [["first"], ["stayer"]]


async def test_the_model_is_not_called_when_all_have_left() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        first = await hold_busy(batcher, scorer)
        leaver = asking(batcher, "a", "b")
        await until(lambda: batcher.depth == 2)
        leaver.cancel()
        scorer.free.set()
        await first
        await until(lambda: batcher.depth == 0)
    assert scorer.batches == [["first"]]


async def test_one_who_leaves_in_mid_batch_shifts_no_rewards() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        first = await hold_busy(batcher, scorer)
        callers = [asking(batcher, text) for text in ("a", "bb", "ccc")]
        await until(lambda: batcher.depth == 3)
        scorer.busy.clear()
        scorer.free.set()
        await first
        scorer.hold()
        await until(lambda: len(scorer.batches) == 2)
        callers[1].cancel()
        await asyncio.wait([callers[1]])
        scorer.free.set()
        assert [await callers[0], await callers[2]] == [[1.0], [3.0]]


async def test_a_full_queue_refuses() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        first = await hold_busy(batcher, scorer)
        waiting = asking(batcher, *"abcdefgh")
        await until(lambda: batcher.depth == 8)
        with pytest.raises(Overloaded):
            await batcher.score([item("one too many")])
        scorer.free.set()
        assert len(await first + await waiting) == 9


async def test_those_who_left_take_no_place_in_the_queue() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        await hold_busy(batcher, scorer)
        leaver = asking(batcher, *"abcdefgh")
        await until(lambda: batcher.depth == 8)
        leaver.cancel()
        await asyncio.wait([leaver])
        stayer = asking(batcher, "stayer")
        scorer.free.set()
        assert await stayer == [6.0]


async def test_what_could_never_wait_is_refused_for_good() -> None:
    async with batching(FakeScorer()) as batcher:
        with pytest.raises(TooLarge):
            await batcher.score([item("a")] * 9)


async def test_a_wrong_number_of_rewards_is_an_error() -> None:
    def one_short(items: Sequence[FakeItem]) -> list[float]:
        return [1.0] * (len(items) - 1)

    async with Batcher(one_short, LIMITS, lambda _: None) as batcher:
        with pytest.raises(ScoringFailed, match="1 rewards for 2 candidates"):
            await batcher.score([item("a"), item("b")])


@pytest.mark.parametrize("reward", [float("nan"), float("inf"), float("-inf")])
async def test_a_reward_that_is_not_finite_fails_alone(reward: float) -> None:
    scorer = FakeScorer(rule=lambda text: reward if text == "odd" else 2)
    async with batching(scorer) as batcher:
        first = await hold_busy(batcher, scorer)
        odd, even = asking(batcher, "odd"), asking(batcher, "even")
        await until(lambda: batcher.depth == 2)
        scorer.free.set()
        assert [await first, await even] == [[2.0], [2.0]]
        with pytest.raises(ScoringFailed, match="gave"):
            await odd


async def test_closing_answers_everyone_and_awaits_a_running_forward() -> None:
    scorer = FakeScorer()
    batcher = await Batcher(scorer.score, LIMITS, lambda _: None).__aenter__()
    running = await hold_busy(batcher, scorer)
    queued = asking(batcher, "queued")
    await until(lambda: batcher.depth == 1)
    closing = asyncio.create_task(batcher.__aexit__(None, None, None))
    with pytest.raises(BatcherClosed):
        await queued
    assert not closing.done()
    scorer.free.set()
    await closing
    assert await running == [5.0]


async def test_a_closed_batcher_takes_nobody() -> None:
    async with batching(FakeScorer()) as batcher:
        pass
    with pytest.raises(BatcherClosed):
        await batcher.score([item("a")])


async def test_death_answers_everyone_and_says_why() -> None:
    def die(served: Served) -> None:
        raise LookupError("the account book is gone")

    scorer = FakeScorer()
    batcher = await Batcher(scorer.score, LIMITS, die).__aenter__()
    first = await hold_busy(batcher, scorer)
    queued = asking(batcher, "queued")
    await until(lambda: batcher.depth == 1)
    scorer.free.set()
    assert await first == [5.0]
    for late in (queued, asking(batcher, "late")):
        with pytest.raises(BatcherClosed):
            await late
    assert "the account book is gone" in (batcher.failure or "")
    with pytest.raises(LookupError):
        await batcher.__aexit__(None, None, None)


async def test_a_model_that_only_fails_is_ailing_until_it_recovers() -> None:
    scorer = FakeScorer(rule=lambda _: 1 / 0)
    async with batching(scorer) as batcher:
        for _ in range(5):
            assert batcher.ailment is None
            await asyncio.wait([asking(batcher, "a")])
        assert batcher.ailment == "the reward model failed 5 times in a row"
        scorer.rule = len
        assert await batcher.score([item("abc")]) == [3.0]
        assert batcher.ailment is None


async def test_each_batch_is_accounted_for() -> None:
    seen: list[Served] = []
    async with batching(FakeScorer(), on_batch=seen.append) as batcher:
        await batcher.score([item("a", 2), item("b", 5)])
    assert [(served.items, served.padded_tokens, len(served.wait_seconds)) for served in seen] == [(2, 10, 2)]


def waiting_for(sizes: Sequence[int], gone: Sequence[bool]) -> deque[Waiting[FakeItem]]:
    loop = asyncio.new_event_loop()
    try:
        queue = deque(Waiting(item(str(n), size), loop.create_future()) for n, size in enumerate(sizes))
        for waiting, left in zip(queue, gone, strict=True):
            if left:
                waiting.future.cancel()
        return queue
    finally:
        loop.close()


queues = st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=30)
bounds = st.builds(BatchLimits, items=st.integers(1, 9), padded_tokens=st.integers(1, 200))


def split(queue: list[tuple[int, bool]]) -> deque[Waiting[FakeItem]]:
    return waiting_for([size for size, _ in queue], [left for _, left in queue])


@given(queues, bounds)
def test_no_batch_is_over_its_limits_unless_it_is_one_item(
    queue: list[tuple[int, bool]], limits: BatchLimits
) -> None:
    batch = take_batch(split(queue), limits)
    assert len(batch) <= limits.items
    longest = max((waiting.item.tokens for waiting in batch), default=0)
    assert len(batch) <= 1 or longest * len(batch) <= limits.padded_tokens


@given(queues, bounds)
def test_batches_take_everyone_who_stayed_once_and_in_order(
    queue: list[tuple[int, bool]], limits: BatchLimits
) -> None:
    waiting, taken = split(queue), []
    while batch := take_batch(waiting, limits):
        taken += [one.item.text for one in batch]
    assert taken == [str(n) for n, (_, left) in enumerate(queue) if not left]
    assert not waiting


@given(queues, bounds)
def test_a_batch_leaves_out_only_what_would_not_fit(
    queue: list[tuple[int, bool]], limits: BatchLimits
) -> None:
    waiting = split(queue)
    batch = take_batch(waiting, limits)
    left = [one.item.tokens for one in waiting if not one.future.done()]
    if left and len(batch) < limits.items:
        longest = max(left[0], *(one.item.tokens for one in batch))
        assert longest * (len(batch) + 1) > limits.padded_tokens
