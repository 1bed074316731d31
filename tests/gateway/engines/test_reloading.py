"""Replacing one engine's weights, step by step, and what it is called when a step fails."""

import asyncio

import pytest

from gateway.engines.http import HttpEngine
from gateway.engines.origin import Origins
from gateway.engines.reloading import Reload, WeightsLost, held, lost, reload, started_with
from tests.fakes.managed_engine import managed_engine

ASK = {"model": "base", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
async def engine(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    with managed_engine(tmp_path / "old") as (fake, server):
        async with Origins() as origins:
            yield fake, HttpEngine(origins, "one", f"{server.url}/v1"), wanted_from(tmp_path)


def wanted_from(folder, name="new"):
    return Reload("default", name, str(folder / name), "base", 5.0)


async def said(http):
    return (await http.complete(ASK))["choices"][0]["message"]["content"]


async def test_the_new_weights_answer_and_nothing_of_the_old_is_left(engine):
    fake, http, wanted = engine
    assert (await said(http)).startswith("old")
    await reload(http, wanted)
    assert (await said(http)).startswith("new")
    assert await held(http) == "new"
    assert not fake.paused


async def test_it_is_named_by_no_weights_while_they_are_replaced(engine):
    fake, http, wanted = engine
    await reload(http, wanted)
    orders = fake.orders
    assert orders[0] == "/update_weight_version"
    assert orders.index("/pause") < orders.index("/collective_rpc") < orders.index("/reset_prefix_cache")


async def test_requests_in_flight_end_on_the_weights_they_began_with(engine):
    fake, http, wanted = engine
    fake.slow_seconds = 0.2
    answer = asyncio.create_task(said(http))
    await asyncio.sleep(0.05)
    await reload(http, wanted)
    assert (await answer).startswith("old")


async def test_weights_that_do_not_load_leave_an_engine_that_is_known_as_lost(engine):
    fake, http, wanted = engine
    fake.fails_on = {"new"}
    with pytest.raises(WeightsLost):
        await reload(http, wanted)
    assert fake.version == "lost"
    assert fake.dead, "one request lets it see for itself that it must be started again"


async def test_a_prefix_cache_that_stays_makes_the_engine_lost(engine):
    fake, http, wanted = engine
    fake.resets = False
    with pytest.raises(WeightsLost, match="prefix cache"):
        await reload(http, wanted)
    assert await held(http) is None
    assert await lost(http)
    assert not fake.paused


async def test_an_engine_tells_where_its_own_weights_lie(engine, tmp_path):
    _, http, _ = engine
    assert await started_with(http, "base") == str(tmp_path / "old")
