"""Every waiting caller is answered once: a reward, an error, or closed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from rewardserve.batch import BatchLimits
from rewardserve.batcher import Batcher, Served
from rewardserve.errors import BatcherClosed, DeadlineMissed, Overloaded, ScoringFailed, TooLarge
from rewardserve.line import Terms
from rewardserve.reward import Reward
from rewardserve.scorer import Spent
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
    async with Batcher([scorer], limits, on_batch) as batcher:
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


async def test_tokens_bound_a_batch() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        await batcher.score([item("a", 15), item("b", 15), item("c", 15)])
    assert scorer.batches == [["a", "b"], ["c"]]  # three of 15 tokens would be 45


async def test_an_item_over_the_budget_goes_alone() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        assert await batcher.score([item("a"), item("long", 400), item("c")]) == [1.0, 4.0, 1.0]
    assert scorer.batches == [["a", "c"], ["long"]]


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
    class OneShort(FakeScorer):
        def score(self, items: Sequence[FakeItem]) -> list[float]:
            return super().score(items)[1:]

    async with batching(OneShort()) as batcher:
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


@pytest.mark.parametrize(
    "odd", [Reward(1, {"safety": float("nan")}), Reward(1, {}, float("inf"))], ids=["part", "doubt"]
)
async def test_a_reward_whose_part_or_doubt_is_not_finite_fails(odd: Reward) -> None:
    async with batching(FakeScorer(rule=lambda _: odd)) as batcher:
        with pytest.raises(ScoringFailed, match=r"gave (safety nan|spread inf), not a finite reward"):
            await batcher.score([item("a")])


async def test_who_gets_no_finite_reward_is_told_for_which_candidate() -> None:
    scorer = FakeScorer(rule=lambda text: float("nan") if text == "odd" else 2)
    async with batching(scorer) as batcher:
        with pytest.raises(ScoringFailed, match="for candidate 3 of the 4 in this request"):
            await batcher.score([item(text) for text in ("a", "b", "odd", "c")])


def soon(seconds: float) -> Terms:
    return Terms(deadline=monotonic() + seconds)


async def test_a_deadline_is_told_as_soon_as_it_has_passed() -> None:
    scorer, late = FakeScorer(), list[int]()
    async with Batcher([scorer], LIMITS, lambda _: None, on_late=late.append) as batcher:
        first = await hold_busy(batcher, scorer)
        with pytest.raises(DeadlineMissed):
            await batcher.score([item("a"), item("b")], soon(0.02))
        scorer.free.set()
        await first
    assert late == [2]
    assert scorer.batches == [["first"]]


async def test_who_comes_too_late_does_not_wait_at_all() -> None:
    scorer, late = FakeScorer(), list[int]()
    async with Batcher([scorer], LIMITS, lambda _: None, on_late=late.append) as batcher:
        with pytest.raises(DeadlineMissed, match="was over before"):
            await batcher.score([item("a"), item("b")], soon(0))
        assert batcher.depth == 0
    assert (late, scorer.batches) == ([2], [])


async def test_who_cannot_make_it_is_dropped_before_it_costs() -> None:
    scorer, late = FakeScorer(), list[int]()
    async with Batcher([scorer], LIMITS, lambda _: None, on_late=late.append) as batcher:
        batcher._pace.took(1, 30.0)
        with pytest.raises(DeadlineMissed, match="dropped unserved"):
            await batcher.score([item("a")], soon(10))
        assert late == [1]
        assert scorer.batches == []


async def test_a_slow_hour_is_forgotten_once_it_keeps_everybody_out() -> None:
    scorer = FakeScorer()
    async with batching(scorer) as batcher:
        batcher._pace.took(1, 30.0)
        with pytest.raises(DeadlineMissed):
            await batcher.score([item("a")], soon(10))
        assert await batcher.score([item("a")], soon(10)) == [1.0]


async def test_tenants_take_turns() -> None:
    scorer = FakeScorer()
    async with batching(scorer, BatchLimits(items=2, waiting=20)) as batcher:
        first = await hold_busy(batcher, scorer)
        flood = asyncio.create_task(batcher.score([item(text) for text in "abcdef"], Terms("flood")))
        await until(lambda: batcher.depth == 6)
        quiet = asyncio.create_task(batcher.score([item("quiet")], Terms("quiet")))
        await until(lambda: batcher.depth == 7)
        scorer.free.set()
        await asyncio.gather(first, flood, quiet)
    assert scorer.batches[1] == ["a", "quiet"]


async def test_two_workers_run_at_once() -> None:
    scorers = [FakeScorer(), FakeScorer()]
    for scorer in scorers:
        scorer.hold()
    async with Batcher(scorers, LIMITS, lambda _: None) as batcher:
        callers = [asking(batcher, "a")]
        await until(lambda: any(scorer.busy.is_set() for scorer in scorers))
        callers.append(asking(batcher, "b"))
        await until(lambda: all(scorer.busy.is_set() for scorer in scorers))
        for scorer in scorers:
            scorer.free.set()
        assert await asyncio.gather(*callers) == [[1.0], [1.0]]


async def test_draining_serves_those_who_wait_and_takes_nobody_new() -> None:
    scorer = FakeScorer()
    batcher = await Batcher([scorer], LIMITS, lambda _: None, drain_seconds=10).__aenter__()
    running = await hold_busy(batcher, scorer)
    queued = asking(batcher, *"abcdef")
    await until(lambda: batcher.depth == 6)
    closing = asyncio.create_task(batcher.__aexit__(None, None, None))
    await asyncio.sleep(0)
    with pytest.raises(BatcherClosed):
        await batcher.score([item("new")])
    scorer.free.set()
    await closing
    assert (await running, await queued) == ([5.0], [1.0] * 6)


async def test_draining_has_an_end() -> None:
    scorer = FakeScorer()
    batcher = await Batcher([scorer], LIMITS, lambda _: None, drain_seconds=0.02).__aenter__()
    running = await hold_busy(batcher, scorer)
    queued = asking(batcher, "queued")
    await until(lambda: batcher.depth == 1)
    closing = asyncio.create_task(batcher.__aexit__(None, None, None))
    with pytest.raises(BatcherClosed):
        await queued
    scorer.free.set()
    await closing
    assert await running == [5.0]


async def test_closing_answers_everyone_and_awaits_a_running_forward() -> None:
    scorer = FakeScorer()
    batcher = await Batcher([scorer], LIMITS, lambda _: None).__aenter__()
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
    batcher = await Batcher([scorer], LIMITS, die).__aenter__()
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
    assert [(served.items, served.spent, len(served.wait_seconds)) for served in seen] == [
        (2, Spent(read=7, padded=10, saved=0), 2)
    ]


async def test_a_scorer_that_keeps_account_is_believed() -> None:
    class Frugal(FakeScorer):
        spent = Spent(3, 4, 5)

    seen: list[Served] = []
    async with batching(Frugal(), on_batch=seen.append) as batcher:
        await batcher.score([item("a", 2), item("b", 5)])
    assert [served.spent for served in seen] == [Spent(3, 4, 5)]
