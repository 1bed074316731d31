"""A client that reads nothing of a flood: the engine is made to wait, memory stays what it was, others are served."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.serving.process import RECORDING_SECONDS
from tests.fakes.gateway_alone import GatewayAlone, gateway_alone, policy_file
from tests.fakes.reader import asked
from tests.fakes.streaming_engine import StreamingEngine, streaming_engine

pytestmark = pytest.mark.slow

MIB = 1 << 20
WOULD_BE = 200 * MIB
DELTA = "water " * 200
READ_BUFFER = 4096
MAY_GROW = 60 * MIB


async def flood(question: str) -> AsyncIterator[str]:
    """Two hundred megabytes for whoever asks for a flood, a word for others."""
    for _ in range(WOULD_BE // len(DELTA) if question == "flood" else 1):
        yield DELTA


async def stalled(engine: StreamingEngine) -> int:
    """Bytes that had gone out when for a second none did."""
    before = -1
    async with asyncio.timeout(60):
        while (sent := engine.sent["flood"]) != before or not sent:
            before = sent
            await asyncio.sleep(1)
    return sent


async def ended(engine: StreamingEngine) -> None:
    """Wait until nobody asks for the flood any more."""
    async with asyncio.timeout(30):
        while engine.open["flood"]:
            await asyncio.sleep(0.01)


async def test_an_unread_flood_stops_at_its_source_and_holds_up_nobody(tmp_path: Path) -> None:
    async with (
        streaming_engine(flood) as engine,
        gateway_alone(tmp_path, engine.url, "--policy", str(policy_file(tmp_path))) as gateway,
    ):
        await answered(gateway)
        before = gateway.resident_bytes
        reader = await asked(gateway.port, gateway.key, "flood", read_buffer=READ_BUFFER)
        sent = await stalled(engine)
        await answered(gateway)
        assert sent < WOULD_BE / 2
        assert gateway.resident_bytes - before < MAY_GROW
        assert engine.open["flood"] == 1
        await reader.leave()
        await ended(engine)


async def answered(gateway: GatewayAlone) -> None:
    """Somebody else asks, and gets an answer."""
    reader = await (await asked(gateway.port, gateway.key, "a word")).head()
    assert reader.status == 200
    async with asyncio.timeout(10):
        assert b"[DONE]" in await reader.rest()


async def test_who_takes_nothing_for_too_long_is_hung_up_on(tmp_path: Path) -> None:
    told = {"LIMITS__STREAM_STALL_SECONDS": "3"}
    async with (
        streaming_engine(flood) as engine,
        gateway_alone(tmp_path, engine.url, "--policy", str(policy_file(tmp_path)), **told) as gateway,
    ):
        reader = await asked(gateway.port, gateway.key, "flood", read_buffer=READ_BUFFER)
        await stalled(engine)
        await ended(engine)
        await reader.leave()


async def test_who_reads_slowly_is_not(tmp_path: Path) -> None:
    told = {"LIMITS__STREAM_STALL_SECONDS": "3"}
    async with (
        streaming_engine(flood) as engine,
        gateway_alone(tmp_path, engine.url, "--policy", str(policy_file(tmp_path)), **told) as gateway,
    ):
        reader = await asked(gateway.port, gateway.key, "flood", read_buffer=READ_BUFFER)
        for _ in range(9):  # seconds, three times as long as a client may take nothing
            await asyncio.sleep(1)
            assert await reader.stream.readexactly(64 * 1024)
        assert engine.open["flood"] == 1
        await reader.leave()


async def test_who_reads_nothing_holds_up_no_end(tmp_path: Path) -> None:
    told = {"LIMITS__SHUTDOWN_SECONDS": "1"}
    async with (
        streaming_engine(flood) as engine,
        gateway_alone(tmp_path, engine.url, "--policy", str(policy_file(tmp_path)), **told) as gateway,
    ):
        reader = await asked(gateway.port, gateway.key, "flood", read_buffer=READ_BUFFER)
        await stalled(engine)
        code, seconds = await gateway.stop(60)
        await reader.leave()
    assert code == 0
    assert seconds < RECORDING_SECONDS
