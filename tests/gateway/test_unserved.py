"""Models that routes lead to and no engine serves: told in the log, and in the error of each request."""

import asyncio
import logging

import httpx
import pytest

from gateway.engines.origin import Origins
from gateway.metrics import Metrics
from gateway.routing import Router, Routes, Share
from gateway.settings import load_settings
from gateway.tools import pool_of
from gateway.unserved import compared, routed_by, unserved
from tests.fakes.engine import fake_engine
from tests.fakes.gateway import running_gateway

ROUTES = Routes(
    {"assistant": (Share("base", 0.0), Share("new", 1.0))}, {"base": "llama", "new": "mistral", "old": "x"}
)


def test_only_what_requests_are_led_to_is_looked_for() -> None:
    assert routed_by(ROUTES) == {"mistral": "assistant"}


def test_a_model_that_one_engine_serves_is_not_missing() -> None:
    assert unserved({"mistral": "assistant"}, {"a": ("llama",), "b": ("mistral",)}) == []


def test_a_missing_model_is_told_with_those_that_are_served() -> None:
    [said] = unserved({"mistral": "assistant"}, {"a": ("llama", "phi"), "b": ("llama",)})
    assert said == (
        "no engine serves the model 'mistral', which 'assistant' leads to; they serve: llama, phi"
    )


def test_of_hundreds_of_models_some_are_named() -> None:
    [said] = unserved({"mistral": "assistant"}, {"a": tuple(f"m{k}" for k in range(320))})
    assert said.endswith("m19 and 300 more")


def test_where_no_engine_tells_nothing_is_said() -> None:
    assert unserved({"mistral": "assistant"}, {}) == []


async def heard(caplog: pytest.LogCaptureFixture, words: str, times: int = 1) -> bool:
    async with asyncio.timeout(10):
        while sum(words in record.getMessage() for record in caplog.records) < times:
            await asyncio.sleep(0.01)
    return True


async def test_an_engine_that_comes_up_is_compared_again(caplog: pytest.LogCaptureFixture) -> None:
    with fake_engine() as (engine, behind):
        engine.models, engine.healthy = ("llama",), False
        async with Origins() as origins:
            settings = load_settings(engines=[{"url": f"{behind.url}/v1"}])
            pool = pool_of(settings, origins, Metrics())
            await pool.check()
            with caplog.at_level(logging.WARNING):
                async with compared(pool, Router(ROUTES, Metrics()), 0.01):
                    await asyncio.sleep(0.1)
                    assert [record.message.partition(";")[0] for record in caplog.records] == [
                        "engine 'engine' does not answer"
                    ]
                    engine.healthy = True
                    await pool.check()
                    assert await heard(caplog, "'mistral', which 'assistant' leads to; they serve: llama")


async def test_routes_that_change_are_compared_again(caplog: pytest.LogCaptureFixture) -> None:
    with fake_engine() as (engine, behind):
        engine.models = ("mistral",)
        async with Origins() as origins:
            settings = load_settings(engines=[{"url": f"{behind.url}/v1"}])
            pool, router = pool_of(settings, origins, Metrics()), Router(ROUTES, Metrics())
            with caplog.at_level(logging.WARNING):
                async with compared(pool, router, 0.01):
                    await asyncio.sleep(0.1)
                    assert not caplog.records
                    router.publish(Routes({"assistant": (Share("old", 1.0),)}, {"old": "x"}))
                    assert await heard(caplog, "no engine serves the model 'x'")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_a_request_is_told_that_no_engine_serves_its_model(path: str, stream: bool) -> None:
    with running_gateway(base_model="lama") as gateway, gateway.http() as http:
        asked = {"messages": [{"role": "user", "content": "Hi"}]} if "chat" in path else {"prompt": "Hi"}
        answer: httpx.Response = http.post(path, json={"model": "assistant", "stream": stream, **asked})
        assert answer.status_code == 502
        error = answer.json()["error"]
    assert error["code"] == "model_not_served"
    assert "no engine serves the model 'lama'" in error["message"]
    assert "an engine said: The model `lama` does not exist." in error["message"]
