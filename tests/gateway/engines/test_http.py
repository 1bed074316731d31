"""An engine over real HTTP: every way to fail is one of ours, and leaving hangs up."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from gateway.engines.contract import EngineFailed, EngineRefused, EngineTimedOut, EngineUnavailable
from gateway.engines.http import HttpEngine, Patience
from gateway.engines.origin import Origins
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
    async with Origins() as session:
        patience = Patience(connect_seconds=1, answer_seconds=0.5, stall_seconds=0.3)
        yield HttpEngine(session, "one", f"{served[1].url}/v1", {"authorization": "Bearer SECRET"}, patience)


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


async def test_tokens_are_counted_beside_the_versioned_routes(fake: FakeEngine, engine: HttpEngine) -> None:
    assert await engine.count(ASK) == 3
    assert fake.asked.path == "/tokenize"


async def test_a_route_of_the_same_name_that_tells_no_count_is_none(
    fake: FakeEngine, engine: HttpEngine
) -> None:
    fake.says(raw=b'{"tokens": [1, 2]}')
    with pytest.raises(EngineRefused) as refused:
        await engine.count(ASK)
    assert refused.value.no_such_route


async def test_connections_are_used_again_after_streams(fake: FakeEngine, engine: HttpEngine) -> None:
    for _ in range(3):
        await drained(engine.stream(STREAM))
        await engine.complete(ASK)
    assert len(engine._origin._idle) == 1


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
    async with Origins() as session:
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


async def test_what_a_provider_wants_in_its_urls_query_goes_with_every_request() -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 27\r\n\r\n{"data": [{"id": "gpt-1"}]}')

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Origins() as origins:
        engine = HttpEngine(origins, "provider", f"http://127.0.0.1:{port}/v1?api-version=2024-10-21")
        assert await engine.models() == ("gpt-1",)
    assert asked == [b"GET /v1/models?api-version=2024-10-21 HTTP/1.1"]
