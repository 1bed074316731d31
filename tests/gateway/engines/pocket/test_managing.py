"""Other weights for the pocket engine, by vLLM's routes."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import torch
from fastapi import FastAPI
from transformers import AutoModelForCausalLM

from gateway.engines.contract import EngineRefused
from gateway.engines.http import HttpEngine
from gateway.engines.origin import Origins
from gateway.engines.pocket.app import Serving, create_app
from gateway.engines.pocket.model import PocketModel
from gateway.engines.reloading import Reload, WeightsLost, held, reload
from tests.serving import serving_opened

ASK = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "How do I do it?"}],
    "max_tokens": 12,
    "temperature": 0.0,
    "ignore_eos": True,
}


@pytest.fixture(scope="module")
def other(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("other") / "weights"
    shutil.copytree(policy, folder)
    net = AutoModelForCausalLM.from_pretrained(policy)
    torch.manual_seed(9)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    net.save_pretrained(folder)
    return folder


@pytest.fixture
async def engine(policy: Path) -> AsyncIterator[HttpEngine]:
    @asynccontextmanager
    async def opening() -> AsyncIterator[FastAPI]:
        app = create_app(PocketModel.load(policy), Serving("tiny", str(policy), dev_mode=True), "1.2.3")
        async with app.router.lifespan_context(app):
            yield app

    with serving_opened(opening) as server:
        async with Origins() as origins:
            yield HttpEngine(origins, "pocket", f"{server.url}/v1")


def wanted(path: Path) -> Reload:
    return Reload("default", "other", str(path), "tiny", 30)


async def said(engine: HttpEngine, model: str = "tiny") -> str:
    return str((await engine.complete(ASK | {"model": model}))["choices"][0]["message"]["content"])


async def test_it_answers_with_the_weights_that_it_was_given(
    engine: HttpEngine, policy: Path, other: Path
) -> None:
    before = await said(engine)
    await reload(engine, wanted(other))
    assert await held(engine) == "other"
    assert await said(engine) != before
    await reload(engine, Reload("other", "default", str(policy), "tiny", 30))
    assert await said(engine) == before


async def test_adapters_come_to_rest_on_the_new_weights(
    engine: HttpEngine, adapters: dict[str, Path], other: Path
) -> None:
    await engine.load_adapter("one", adapters["one"])
    before = await said(engine, "one")
    await reload(engine, wanted(other))
    assert await said(engine, "one") not in {before, await said(engine)}


async def test_weights_of_another_model_are_refused(engine: HttpEngine, tmp_path: Path) -> None:
    before = await said(engine)
    with pytest.raises(WeightsLost):
        await reload(engine, wanted(tmp_path))
    assert await held(engine) is None
    assert await said(engine) == before


async def test_while_it_is_paused_requests_wait(engine: HttpEngine) -> None:
    await engine.operate("/pause?mode=wait", {}, 10)
    waiting = asyncio.create_task(said(engine))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert (await engine.operate("/is_paused", None, 10))["is_paused"]
    await engine.operate("/resume", {}, 10)
    await waiting


async def test_other_ways_to_pause_and_other_calls_are_refused(engine: HttpEngine) -> None:
    with pytest.raises(EngineRefused):
        await engine.operate("/pause", {}, 10)
    with pytest.raises(EngineRefused):
        await engine.operate("/collective_rpc", {"method": "save_state"}, 10)
