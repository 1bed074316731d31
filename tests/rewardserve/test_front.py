"""Another model takes over while requests are in flight; a bad one changes nothing."""

import asyncio
import gc
import shutil
import weakref
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rewardserve.errors import ModelUnusable
from rewardserve.loading import load_workers
from rewardserve.scorer import ModelSpec, Scorer
from rewardserve.scorers.transformers import load
from rewardserve.settings import RewardSettings
from tests.fakes.scorer import CARD, FakeScorer
from tests.rewardserve.conftest import Make
from tests.rewardserve.test_app import ASK, TURNS, metric, post, served, until
from tests.serving import Serving

KEY = "a key of some length"
HEADERS = {"authorization": f"Bearer {KEY}"}


class Shelf:
    """Loads fakes by name; `broken` models raise, and give no number."""

    def __init__(self) -> None:
        self.loaded: list[FakeScorer] = []

    def __call__(self, settings: RewardSettings, model: str | None = None) -> list[Scorer[Any]]:
        assert model is not None
        if model == "nowhere":
            raise ModelUnusable("there is no folder nowhere")
        scorer = FakeScorer(card=replace(CARD, name=model))
        scorer.rule = {"raises": lambda _: 1 / 0, "nan": lambda _: float("nan")}.get(model, lambda _: 7)
        self.loaded.append(scorer)
        return [scorer]


@pytest.fixture
def scorer() -> FakeScorer:
    return FakeScorer()


@pytest.fixture
def server(scorer: FakeScorer) -> Iterator[Serving]:
    with served(scorer, load=Shelf(), admin_key=KEY) as server:
        yield server


@pytest.fixture
async def http(server: Serving) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def reload(http: aiohttp.ClientSession, body: Any, headers: Any = HEADERS) -> tuple[int, Any]:
    async with http.post("/admin/reload", json=body, headers=headers) as response:
        return response.status, await response.json()


async def name_of(http: aiohttp.ClientSession) -> str:
    async with http.get("/v1/model") as response:
        return str((await response.json())["name"])


async def test_another_model_takes_over(http: aiohttp.ClientSession) -> None:
    status, card = await reload(http, {"model": "new"})
    assert (status, card["name"]) == (200, "new")
    assert (await post(http, ASK))[1]["rewards"] == [[7.0, 7.0]]
    assert await metric(http, 'trimtab_reward_reloads_total{outcome="ok"}') == 1


@pytest.mark.parametrize("model", ["nowhere", "raises", "nan"])
async def test_a_bad_model_is_refused_and_the_old_one_stays(http: aiohttp.ClientSession, model: str) -> None:
    status, answer = await reload(http, {"model": model})
    assert (status, answer["error"]["param"], answer["error"]["code"]) == (422, "model", "model_unusable")
    assert (await post(http, ASK))[1]["rewards"] == [[3.0, 1.0]]
    assert await metric(http, 'trimtab_reward_reloads_total{outcome="refused"}') == 1


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {KEY}"}]
)
async def test_nobody_reloads_without_the_key(http: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    status, answer = await reload(http, {"model": "new"}, headers)
    assert (status, answer["error"]["code"]) == (401, "admin_key")
    assert (await post(http, ASK))[1]["model"] == "fake"


async def test_a_server_without_a_key_is_reloaded_by_nobody() -> None:
    with served(FakeScorer(), load=Shelf()) as server:
        async with aiohttp.ClientSession(server.url) as http:
            status, answer = await reload(http, {"model": "new"})
    assert status == 401
    assert "TRIMTAB_REWARDSERVE_ADMIN_KEY" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"), [({}, "model"), ({"model": ""}, "model"), ({"path": "x"}, "model")]
)
async def test_a_bad_body_names_the_field(http: aiohttp.ClientSession, body: Any, param: str) -> None:
    status, answer = await reload(http, body)
    assert (status, answer["error"]["param"]) == (400, param)


def test_each_worker_has_a_model_of_its_own(tiny: Path) -> None:
    settings = RewardSettings(model=str(tiny), workers=2)
    first, second = load_workers(settings)
    assert first is not second
    assert first.card == second.card


async def test_those_who_wait_are_served_by_the_model_they_asked(
    http: aiohttp.ClientSession, scorer: FakeScorer
) -> None:
    scorer.hold()
    running = asyncio.create_task(post(http, ASK))
    await until(scorer.busy.is_set)
    waiting = asyncio.create_task(post(http, ASK))
    async with asyncio.timeout(5):
        while await metric(http, "trimtab_reward_queue_items") < 2:
            await asyncio.sleep(0.005)
    swapping = asyncio.create_task(reload(http, {"model": "new"}))
    async with asyncio.timeout(5):
        while await name_of(http) != "new":
            await asyncio.sleep(0.005)
    assert (await post(http, ASK))[1]["rewards"] == [[7.0, 7.0]]
    assert not swapping.done()
    assert (await reload(http, {"model": "third"}))[0] == 409
    scorer.free.set()
    assert (await swapping)[0] == 200
    assert {answer["model"] for _, answer in (await running, await waiting)} == {"fake"}


async def test_the_old_model_is_freed() -> None:
    old = FakeScorer()
    gone = weakref.ref(old)
    with served(old, load=Shelf(), admin_key=KEY) as server:
        del old
        async with aiohttp.ClientSession(server.url) as http:
            await post(http, ASK)
            await reload(http, {"model": "new"})
            gc.collect()
            assert gone() is None


async def test_no_request_is_lost_while_real_models_change(make: Make, tmp_path: Path) -> None:
    first, second = make(), make(hidden_size=64)
    (broken := tmp_path / "broken").mkdir()
    shutil.copytree(first, broken, dirs_exist_ok=True)
    (broken / "model.safetensors").write_bytes(b"no weights")
    with served(load(ModelSpec(str(first))), admin_key=KEY) as server:
        async with aiohttp.ClientSession(server.url) as http:
            asking = asyncio.create_task(ask_until(http, stop := asyncio.Event()))
            before = await post(http, ASK)
            assert (await reload(http, {"model": str(broken)}))[0] == 422
            assert (await reload(http, {"model": str(second)}))[0] == 200
            after = await post(http, ASK)
            assert (await reload(http, {"model": str(first)}))[0] == 200
            assert await post(http, ASK) == before
            stop.set()
            assert await asking == {200}
    assert before != after


async def ask_until(http: aiohttp.ClientSession, stop: asyncio.Event) -> set[int]:
    """Every status seen while one asks without a pause."""
    seen = set()
    while not stop.is_set():
        seen.add((await post(http, {"conversations": [{"messages": TURNS, "candidates": ["a"]}]}))[0])
    return seen
