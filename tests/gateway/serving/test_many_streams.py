"""Two thousand slow streams at once: as many as allowed are answered, the rest are told when to come back."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.gateway_alone import GatewayAlone, gateway_alone, policy_file
from tests.fakes.reader import Reader, asked
from tests.fakes.streaming_engine import streaming_engine

pytestmark = pytest.mark.slow

CLIENTS, SLOTS, QUEUE = 2000, 1500, 100
AT_ONCE = 50  # who connect together, as no listener takes thousands in one moment
BEGINNING = "once upon a time there was a kettle that sang " * 4


async def test_excess_is_refused_probes_are_answered_and_nothing_breaks(tmp_path: Path) -> None:
    enough = asyncio.Event()

    async def story(question: str) -> AsyncIterator[str]:
        yield BEGINNING
        while not enough.is_set():
            await asyncio.sleep(5)
            yield "and on "

    limits = {"CONCURRENT_REQUESTS": SLOTS, "QUEUED_REQUESTS": QUEUE, "QUEUE_SECONDS": 2}
    told = {f"LIMITS__{name}": str(value) for name, value in limits.items()}
    async with (
        streaming_engine(story) as engine,
        gateway_alone(tmp_path, engine.url, "--policy", str(policy_file(tmp_path)), **told) as gateway,
    ):
        probing = asyncio.create_task(probed(gateway, enough))
        readers = await all_answered(gateway)
        enough.set()
        endings = await asyncio.gather(*(each.rest() for each in readers))
        waits = await probing
    assert Counter(each.status for each in readers) == {200: SLOTS, 429: CLIENTS - SLOTS}
    assert all(int(each.header("retry-after")) >= 1 for each in readers if each.status == 429)
    whole = [b"[DONE]" in said for each, said in zip(readers, endings, strict=True) if each.status == 200]
    assert all(whole)
    assert len(waits) > 5
    assert max(waits) < 5  # an order of magnitude, on busy machines; it takes milliseconds


async def all_answered(gateway: GatewayAlone) -> list[Reader]:
    """Everybody's answer, as far as its beginning."""
    few = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Reader:
        async with few:
            reader = await asked(gateway.port, gateway.key, f"question {number}")
            await asyncio.sleep(0.1)
        return await reader.head()

    return list(await asyncio.gather(*map(one, range(CLIENTS))))


async def probed(gateway: GatewayAlone, enough: asyncio.Event) -> list[float]:
    """How long each probe took, until it is enough; raises where one fails."""
    waits = []
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        while not enough.is_set():
            began = time.monotonic()
            (await client.get(f"{gateway.url}/health")).raise_for_status()
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.1)
    return waits
