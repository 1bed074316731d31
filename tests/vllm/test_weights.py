"""Other full weights on a running engine: vLLM and the pocket engine, paused and reloaded by the same code."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gateway.engines.http import HttpEngine
from gateway.engines.reloading import AS_STARTED, Reload, held, reload, started_with
from tests.vllm.test_dialect import ask, loaded, texts

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif("TRIMTAB_TEST_VLLM" not in os.environ, reason="see .ci/vllm for how to make one"),
]
LONG = {"messages": [{"role": "user", "content": "First you take flour, water and salt. " * 60}]}


@pytest.fixture(scope="session")
def other(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The policy's network with other numbers."""
    folder = tmp_path_factory.mktemp("other") / "weights"
    folder.mkdir()
    for file in policy.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    drawn = np.random.default_rng(7)
    weights = {
        name: each + (0.1 * drawn.standard_normal(each.shape)).astype(each.dtype)
        for name, each in load_file(folder / "model.safetensors").items()
    }
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture
async def swapped(engine: HttpEngine, policy: Path, other: Path) -> AsyncIterator[dict[str, Any]]:
    """What a long prompt was answered before, with other weights in force; afterwards the engine's own again."""
    before = texts(await engine.complete(ask(**LONG, temperature=0.0)))
    await reload(engine, Reload(AS_STARTED, "other", str(other), "base", 60))
    yield {"before": before}
    await reload(engine, Reload("other", AS_STARTED, str(policy), "base", 60))
    assert texts(await engine.complete(ask(**LONG, temperature=0.0))) == before


async def test_a_prompt_heard_before_is_answered_by_the_new_weights(
    engine: HttpEngine, swapped: dict[str, Any]
) -> None:
    assert await held(engine) == "other"
    again = texts(await engine.complete(ask(**LONG, temperature=0.0)))
    fresh = texts(await engine.complete(ask(**LONG, temperature=0.0, cache_salt="fresh")))
    assert again == fresh != swapped["before"]


async def test_requests_in_flight_end_with_the_weights_they_began_with(
    engine: HttpEngine, policy: Path, other: Path
) -> None:
    body = ask(temperature=0.0, max_tokens=128, ignore_eos=True)
    whole = texts(await engine.complete(body))
    running = asyncio.create_task(engine.complete(body))
    await asyncio.sleep(0.05)
    await reload(engine, Reload(AS_STARTED, "other", str(other), "base", 60))
    assert texts(await running) == whole
    await reload(engine, Reload("other", AS_STARTED, str(policy), "base", 60))


async def test_adapters_answer_as_before_once_their_base_is_back(
    engine: HttpEngine, adapters: Path, policy: Path, other: Path
) -> None:
    async with loaded(engine, adapters / "one") as name:
        before = texts(await engine.complete(ask(name, temperature=0.0)))
        await reload(engine, Reload(AS_STARTED, "other", str(other), "base", 60))
        await reload(engine, Reload("other", AS_STARTED, str(policy), "base", 60))
        assert texts(await engine.complete(ask(name, temperature=0.0))) == before


async def test_an_engine_tells_where_its_own_weights_lie(engine: HttpEngine, policy: Path) -> None:
    assert await started_with(engine, "base") == str(policy)
