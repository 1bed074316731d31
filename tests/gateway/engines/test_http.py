"""An engine over real HTTP: every way to fail is one of ours, and leaving hangs up."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from gateway.engines.contract import EngineFailed, EngineRefused, EngineTimedOut, EngineUnavailable
from gateway.engines.http import HttpEngine, Patience, open_session
from tests.fakes.engine import FakeEngine, drained, fake_engine
from tests.serving import Serving

ASK = {"model": "base", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**ASK, "stream": True}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeEngine, Serving]]:
    with fake_engine() as both:
        yield both


@pytest.fixture
def fake(served: tuple[FakeEngine, Serving]) -> FakeEngine:
    served[0].says()
    return served[0]


@pytest.fixture
async def engine(served: tuple[FakeEngine, Serving]) -> AsyncIterator[HttpEngine]:
    async with open_session() as session:
        patience = Patience(connect_seconds=1, answer_seconds=0.5, stall_seconds=0.3)
        yield HttpEngine(session, "one", f"{served[1].url}/v1", "SECRET", patience)


async def left(fake: FakeEngine) -> bool:
    async with asyncio.timeout(1):
        while fake.asked.state == "open":
            await asyncio.sleep(0.005)
    return fake.asked.state == "left"


async def test_a_completion_arrives_as_the_engine_worded_it(fake: FakeEngine, engine: HttpEngine) -> None:
    answer = await engine.complete({**ASK, "odd": 1})
    assert answer["choices"][0]["message"]["content"] == "Hello there."
    assert fake.asked.body["odd"] == 1
    assert fake.asked.headers["authorization"] == "Bearer SECRET"


async def test_a_stream_arrives_in_order_without_done(fake: FakeEngine, engine: HttpEngine) -> None:
    chunks = await drained(engine.stream(STREAM))
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert text == "Hello there."


async def test_connections_are_used_again_after_streams(fake: FakeEngine, engine: HttpEngine) -> None:
    for _ in range(3):
        await drained(engine.stream(STREAM))
        await engine.complete(ASK)
    assert len(engine._session.connector._conns) == 1


async def test_an_error_keeps_its_status_and_message(fake: FakeEngine, engine: HttpEngine) -> None:
    error = {"message": "too long", "type": "x", "param": "messages", "code": 400}
    fake.says(refuse=(400, {"error": error}))
    with pytest.raises(EngineRefused, match="too long") as refused:
        await engine.complete(ASK)
    assert (refused.value.status, refused.value.param) == (400, "messages")


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"refuse": (500, {})}, EngineRefused),
        ({"raw": b"<html>"}, EngineFailed),
        ({"raw": b"[1]"}, EngineFailed),
        ({"before_answer": 5.0}, EngineTimedOut),
    ],
)
async def test_a_bad_answer_is_a_failure(
    how: dict[str, object], kind: type[EngineFailed], fake: FakeEngine, engine: HttpEngine
) -> None:
    fake.says(**how)
    with pytest.raises(kind):
        await engine.complete(ASK)


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"cut_after": 3}, EngineUnavailable),
        ({"frames": (b"",)}, EngineUnavailable),  # ends without [DONE]
        ({"stall_after": 3}, EngineTimedOut),
        ({"frames": (b'data: {"error": {"message": "boom"}}\n\n', b"data: [DONE]\n\n")}, EngineFailed),
        ({"frames": (b"data: nonsense\n\n",)}, EngineFailed),
    ],
)
async def test_a_stream_that_breaks_is_a_failure(
    how: dict[str, object], kind: type[EngineFailed], fake: FakeEngine, engine: HttpEngine
) -> None:
    fake.says(**how)
    with pytest.raises(kind):
        await drained(engine.stream(STREAM))


async def test_a_plain_answer_to_a_stream_request_is_a_failure(fake: FakeEngine, engine: HttpEngine) -> None:
    with pytest.raises(EngineFailed, match="stream"):
        await drained(engine.stream(ASK))


async def test_nobody_there_is_unavailable() -> None:
    async with open_session() as session:
        engine = HttpEngine(session, "gone", "http://127.0.0.1:9/v1")
        with pytest.raises(EngineUnavailable, match="gone"):
            await engine.complete(ASK)
        assert not await engine.healthy()


async def test_cancelling_a_completion_hangs_up(fake: FakeEngine, engine: HttpEngine) -> None:
    fake.says(before_answer=30)
    task = asyncio.create_task(engine.complete(ASK))
    await asyncio.sleep(0.1)
    task.cancel()
    assert await left(fake)


async def test_closing_a_stream_hangs_up(fake: FakeEngine, engine: HttpEngine) -> None:
    fake.says("a longer text that goes on", between_chunks=0.1)
    async with aclosing(engine.stream(STREAM)) as stream:
        await anext(stream)
    assert await left(fake)


async def test_adapters_are_loaded_listed_and_forgotten(
    fake: FakeEngine, engine: HttpEngine, tmp_path: Path
) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    await engine.load_adapter("v2", tmp_path)
    assert "v2" in await engine.models()
    await engine.unload_adapter("v2")
    assert "v2" not in await engine.models()


async def test_an_adapter_that_does_not_load_says_why(engine: HttpEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match="No adapter found"):
        await engine.load_adapter("v3", tmp_path)


@pytest.mark.parametrize("healthy", [True, False])
async def test_health_is_what_the_engine_says(healthy: bool, fake: FakeEngine, engine: HttpEngine) -> None:
    fake.healthy = healthy
    assert await engine.healthy() is healthy
    fake.healthy = True
