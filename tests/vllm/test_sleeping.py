"""An engine that sleeps and wakes, by vLLM's own routes. On a CPU that frees nothing; what it answers counts here."""

import os
from pathlib import Path

import pytest

from gateway.engines.contract import EngineFailed
from gateway.engines.http import HttpEngine
from gateway.engines.sleeping import asleep, awake
from tests.vllm.test_dialect import ask, loaded, texts

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif("TRIMTAB_TEST_VLLM" not in os.environ, reason="see .ci/vllm for how to make one"),
]


async def test_it_answers_as_before_once_it_is_awake(vllm: HttpEngine) -> None:
    before = texts(await vllm.complete(ask(temperature=0.0)))
    await asleep(vllm, 1, 30)
    await awake(vllm, "base")
    assert texts(await vllm.complete(ask(temperature=0.0))) == before


async def test_its_adapters_are_there_still(vllm: HttpEngine, adapters: Path) -> None:
    async with loaded(vllm, adapters / "one") as name:
        before = texts(await vllm.complete(ask(name, temperature=0.0)))
        await asleep(vllm, 1, 30)
        await awake(vllm, "base")
        assert texts(await vllm.complete(ask(name, temperature=0.0))) == before


async def test_one_that_is_awake_stays_so(vllm: HttpEngine) -> None:
    await awake(vllm, "base")


async def test_the_pocket_engine_says_that_it_cannot(pocket: HttpEngine) -> None:
    with pytest.raises(EngineFailed):
        await asleep(pocket, 1, 5)
