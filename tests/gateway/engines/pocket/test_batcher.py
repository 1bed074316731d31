"""The queue's promises: company, failures, callers who leave, a full queue, the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from gateway.engines.pocket.batcher import Batcher
from gateway.engines.pocket.errors import EngineClosed, GenerationFailed, Overloaded
from gateway.engines.pocket.job import Job, Sampling
from gateway.engines.pocket.meter import Meter
from gateway.engines.pocket.schedule import Limits
from tests.fakes.counting_model import CountingModel

ENDLESS = 10**6  # tokens: minutes more than any test takes, and yet a test that waits in vain ends
ROOMY = Limits(tokens=10**12)


@pytest.fixture
def model() -> CountingModel:
    return CountingModel()


@asynccontextmanager
async def batching(model: CountingModel, limits: Limits | None = None) -> AsyncIterator[Batcher]:
    async with Batcher(model, limits or Limits(), Meter("m")) as batcher:
        yield batcher


def job(n: int = 1, answer: int = 3, *, version: str = "v", prompt: int = 1) -> Job:
    return Job(version, (prompt,), Sampling(max_tokens=answer), seed=0, n=n)


async def told(batcher: Batcher, job: Job) -> list[str]:
    texts = [""] * job.n
    async with aclosing(batcher.deltas(job)) as arriving:
        async for deltas in arriving:
            for delta in deltas:
                texts[delta.index] += delta.text
    return texts


async def hang_up(asking: "asyncio.Task[list[str]]") -> None:
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def until(condition: object) -> None:
    while not condition():  # type: ignore[operator]
        await asyncio.sleep(0.001)


async def test_every_choice_is_answered(model: CountingModel) -> None:
    async with batching(model) as batcher:
        assert await told(batcher, job(2)) == ["0 1 2 ", "0 1 2 "]


async def test_requests_that_wait_together_are_batched_together(model: CountingModel) -> None:
    async with batching(model) as batcher:
        await asyncio.gather(*(told(batcher, job()) for _ in range(8)))
    assert (model.admitted, model.stepped) == ([8], [8, 8])


async def test_who_comes_later_joins_between_steps(model: CountingModel) -> None:
    async with batching(model, ROOMY) as batcher:
        long = asyncio.create_task(told(batcher, job(answer=ENDLESS)))
        await until(lambda: model.stepped)
        assert await told(batcher, job()) == ["0 1 2 "]
        assert not long.done()
        await hang_up(long)
    assert max(model.stepped) == 2


async def test_versions_share_a_step_and_no_forward_pass(model: CountingModel) -> None:
    async with batching(model) as batcher:
        await asyncio.gather(told(batcher, job(version="a")), told(batcher, job(2, version="b")))
    assert sorted(model.admitted) == [1, 2]


async def test_a_request_larger_than_the_batch_is_answered_in_parts(model: CountingModel) -> None:
    async with batching(model, Limits(rows=3)) as batcher:
        assert await told(batcher, job(8)) == ["0 1 2 "] * 8
    assert max(model.stepped) == 3


async def test_an_error_reaches_its_batch_and_serving_goes_on(model: CountingModel) -> None:
    model.poison = 13
    async with batching(model, ROOMY) as batcher:
        running = asyncio.create_task(told(batcher, job(answer=ENDLESS)))
        await until(lambda: model.stepped)
        with pytest.raises(GenerationFailed, match="ZeroDivisionError"):
            await told(batcher, job(2, prompt=13))
        assert await told(batcher, job()) == ["0 1 2 "]
        assert not running.done()
        await hang_up(running)


async def test_an_error_in_a_step_fails_all_rows_of_that_forward_pass(model: CountingModel) -> None:
    async with batching(model, ROOMY) as batcher:
        batch = [asyncio.create_task(told(batcher, job(answer=ENDLESS, prompt=k))) for k in (1, 13)]
        other = asyncio.create_task(told(batcher, job(version="other", answer=ENDLESS)))
        await until(lambda: {1, 2} <= set(model.stepped))
        model.poison = 13
        failed = await asyncio.gather(*batch, return_exceptions=True)
        assert [type(error) for error in failed] == [GenerationFailed] * 2
        assert not other.done()
        await hang_up(other)


async def test_a_caller_who_left_frees_its_rows(model: CountingModel) -> None:
    async with batching(model, ROOMY) as batcher:
        leaving, staying = (asyncio.create_task(told(batcher, job(n, answer=ENDLESS))) for n in (4, 1))
        await until(lambda: 5 in model.stepped)
        await hang_up(leaving)
        await until(lambda: model.stepped[-1] == 1)
        assert not staying.done()
        await hang_up(staying)


async def test_a_caller_who_left_while_waiting_is_never_read(model: CountingModel) -> None:
    model.may_go.clear()
    async with batching(model, Limits(rows=1)) as batcher:
        first = asyncio.create_task(told(batcher, job()))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(told(batcher, job()))
        await asyncio.sleep(0.01)
        await hang_up(second)
        model.may_go.set()
        await first
    assert model.admitted == [1]


async def test_a_full_queue_refuses(model: CountingModel) -> None:
    model.may_go.clear()
    async with batching(model, Limits(rows=1, waiting=3)) as batcher:
        asked = [asyncio.create_task(told(batcher, job())) for _ in range(2)]
        await asyncio.sleep(0.01)
        asked.append(asyncio.create_task(told(batcher, job())))
        await asyncio.sleep(0.01)
        with pytest.raises(Overloaded):
            await told(batcher, job())
        model.may_go.set()
        assert await asyncio.gather(*asked) == [["0 1 2 "]] * 3


async def test_closing_answers_everyone(model: CountingModel) -> None:
    async with batching(model, Limits(rows=1)) as batcher:
        asked = [asyncio.create_task(told(batcher, job(answer=ENDLESS))) for _ in range(2)]
        await until(lambda: model.stepped)
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in ended] == [EngineClosed] * 2


async def test_a_closed_batcher_refuses(model: CountingModel) -> None:
    async with batching(model) as batcher:
        pass
    assert not batcher.alive
    with pytest.raises(EngineClosed):
        await told(batcher, job())


async def test_a_dead_worker_answers_everyone_and_shows(model: CountingModel) -> None:
    class Broken(CountingModel):
        def text(self, tokens: object) -> str:
            raise AssertionError("not the model, but our own accounting")

    batcher = await Batcher(Broken(), Limits(), Meter("m")).__aenter__()
    with pytest.raises(EngineClosed):
        await told(batcher, job())
    assert not batcher.alive
    with pytest.raises(AssertionError, match="our own accounting"):
        await batcher.__aexit__(None, None, None)


async def test_an_idle_engine_does_nothing(model: CountingModel) -> None:
    async with batching(model) as batcher:
        await told(batcher, job())
        steps = len(model.stepped)
        await asyncio.sleep(0.02)
        assert len(model.stepped) == steps
