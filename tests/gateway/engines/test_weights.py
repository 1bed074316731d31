"""Requests for full weights go to who holds them, under the name that engines know."""

import pytest

from gateway.engines.contract import EngineUnavailable
from gateway.engines.http import HttpEngine
from gateway.engines.origin import Origins
from gateway.engines.pool import Pool
from gateway.metrics import Metrics
from tests.fakes.engine import drained
from tests.fakes.managed_engine import managed_engine


def ask(model):
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
async def pool(tmp_path):
    (tmp_path / "old").mkdir()
    with managed_engine(tmp_path / "old") as (one, first), managed_engine(tmp_path / "old") as (two, second):
        async with Origins() as origins:
            engines = [
                HttpEngine(origins, name, f"{at.url}/v1") for name, at in (("one", first), ("two", second))
            ]
            pool = Pool(engines, Metrics(), managed=["one", "two"])
            pool.weights.adopt({"new": tmp_path / "new"}, "base")
            two.version, two.weights = "new", "new"
            await pool.check()
            yield pool, one, two


def said(answer):
    return answer["choices"][0]["message"]["content"].split()[0]


async def test_each_version_is_answered_by_who_holds_its_weights(pool):
    both, one, two = pool
    for _ in range(4):
        assert said(await both.complete(ask("base"))) == "old"
        assert said(await both.complete(ask("new"))) == "new"
    assert {each.body["model"] for each in (*one.requests, *two.requests)} == {"base"}


async def test_a_stream_too(pool):
    both, _, _ = pool
    chunks = await drained(both.stream(ask("new") | {"stream": True}))
    assert "".join(each["choices"][0]["delta"].get("content") or "" for each in chunks).startswith("new")


async def test_weights_that_nobody_holds_are_unavailable_and_nobody_else_answers(pool):
    both, one, two = pool
    both.replica("two").take_out()
    with pytest.raises(EngineUnavailable, match="no engine holds"):
        await both.complete(ask("new"))
    assert not two.requests
    assert not one.requests


async def test_one_that_was_started_again_is_asked_for_what_it_now_holds(pool):
    both, _, two = pool
    two.start()
    await both.check()
    assert both.replica("two").held == "default"
    with pytest.raises(EngineUnavailable):
        await both.complete(ask("new"))


async def test_a_dead_engine_is_trusted_again_only_when_it_was_looked_at(pool):
    both, _, two = pool
    two.dead = True
    await both.check()
    assert both.replica("two").held is None
    with pytest.raises(EngineUnavailable):
        await both.complete(ask("new"))
    two.dead = False
    await both.check()
    assert said(await both.complete(ask("new"))) == "new"


async def test_what_it_said_before_a_swap_does_not_count_after_it(pool):
    both, _, _ = pool
    replica = both.replica("two")
    replica.take_out()
    await both.check()
    assert replica.held is None
    replica.swapping = False
    await replica.look_at_weights()
    assert replica.held == "new"


async def test_versions_that_are_held_are_listed_as_served(pool):
    both, _, _ = pool
    listed = await both.listed()
    assert "new" in listed["two"]
    assert "new" not in listed["one"]
