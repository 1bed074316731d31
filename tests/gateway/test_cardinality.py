"""What clients make up as they like (prompts, users, models, keys, paths) leaves no trace that grows with it."""

import asyncio
import functools
import gc
import json
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.app import create_app
from tests.fakes.engine import fake_engine
from tests.gateway.admin.conftest import House, open_house

pytestmark = pytest.mark.slow

CHATS, STRANGERS = 6_000, 94_000  # those with a key cost more
ENOUGH = 4_500  # chats, after which every cache is as full as it may be
CHUNK = 50  # at once
LARGE = 1000  # entries that nothing may gain from what comes after them
CONTAINERS = (dict, set, list, deque)


@dataclass
class World:
    """A gateway that is asked in its own process, without a wire."""

    house: House
    app: Any
    key: str
    statuses: Counter[int] = field(default_factory=Counter)

    def ask_all(self, first: int, last: int) -> None:
        """So many requests, of which no two have anything in common that a client may choose."""
        asyncio.run_coroutine_threadsafe(self._ask_all(first, last), self.house.server.loop).result(300)
        self.house.engine.requests.clear()

    async def _ask_all(self, first: int, last: int) -> None:
        for start in range(first, last, CHUNK):
            chats = range(start, min(start + CHUNK, last))
            others = range(start * STRANGERS // CHATS, chats.stop * STRANGERS // CHATS)
            await asyncio.gather(*(self._ask(*chat(number, self.key)) for number in chats))
            for number in others:
                await self._ask(*stranger(number, self.key))

    async def _ask(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
        sent = iter([{"type": "http.request", "body": json.dumps(body).encode()}])

        async def receive() -> dict[str, Any]:
            return next(sent, None) or await asyncio.sleep(3600, {})

        async def send(message: dict[str, Any]) -> None:
            self.statuses[message.get("status", 0)] += 1

        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.app({"type": "http", "method": "POST", "path": path, "headers": raw}, receive, send)


def chat(number: int, key: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """A chat that nobody has had before."""
    messages = [{"role": "user", "content": f"what is number {number}?", "name": f"name{number}"}]
    body = {"model": "assistant", "messages": messages, "user": f"user {number}", "max_tokens": 1 + number}
    headers = {"x-trimtab-conversation": f"conversation {number}", f"x-odd-{number}": "1"}
    return "/v1/chat/completions", body, {"authorization": f"Bearer {key}", **headers}


def stranger(number: int, key: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Somebody with a wrong key, a model that nobody knows, or a path that leads nowhere."""
    path, body, headers = chat(number, key)
    match number % 9:
        case 0:
            return path, body, {**headers, "authorization": f"Bearer wrong-{number}"}
        case 1:
            return path, {**body, "model": f"model-{number}"}, headers
        case _:
            return f"/v1/{number}", body, {**headers, "authorization": f"Bearer wrong-{number}"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with (
        fake_engine() as (engine, behind),
        open_house(folder, behind.url, engine, guards={}, ledger={"sample_rate": 0.0}) as house,
    ):
        yield World(house, create_app(house.tools), house.keys["application"])


def sizes() -> dict[int, tuple[int, Any]]:
    """The length of every container in this process, by its identity; those too that hold only plain values."""
    gc.collect()  # what is dead and awaits the collector is no trace
    found = {}
    for owner in gc.get_objects():
        for each in (owner, *gc.get_referents(owner)):
            if (
                issubclass(type(each), CONTAINERS) and len(each) >= LARGE
            ):  # `isinstance` would wake what is lazy
                found[id(each)] = (len(each), each)
    return found


def caches() -> list[Any]:
    """Every function that remembers, of ours."""
    wrappers = [each for each in gc.get_objects() if type(each) is functools._lru_cache_wrapper]
    return [each for each in wrappers if each.__module__.startswith(("gateway", "guards", "rewardserve"))]


def series(world: World) -> set[str]:
    """Every series that the metrics have, without its value."""
    lines = world.house.tools.metrics.text().decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines}


def test_a_hundred_thousand_inventions_leave_no_trace(world: World) -> None:
    world.ask_all(0, ENOUGH)
    told, before = series(world), {known: size for known, (size, _) in sizes().items()}
    world.ask_all(ENOUGH, CHATS)
    grown = [
        (type(each), before.get(known, 0), size, repr(each)[:200])
        for known, (size, each) in sizes().items()
        if size - before.get(known, size if size < 2 * LARGE else 0) >= LARGE
    ]
    assert world.statuses[200] == CHATS
    assert set(world.statuses) == {0, 200, 401, 404}
    assert grown == []
    assert series(world) == told
    assert all(each.cache_info().currsize <= (each.cache_info().maxsize or LARGE) for each in caches())
