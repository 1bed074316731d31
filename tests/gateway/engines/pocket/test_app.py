import asyncio
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from gateway.engines.pocket.app import explained
from gateway.engines.pocket.errors import Overloaded
from gateway.engines.pocket.wire import ChatBody

HELLO = [{"role": "user", "content": "hello"}]


async def test_a_serving_engine_is_healthy(http: aiohttp.ClientSession) -> None:
    assert (await http.get("/health")).status == 200


async def test_it_tells_its_version(http: aiohttp.ClientSession) -> None:
    assert await (await http.get("/version")).json() == {"version": "1.2.3"}


@pytest.mark.parametrize(
    ("method", "route", "status"), [("GET", "/nope", 404), ("GET", "/v1/chat/completions", 405)]
)
async def test_an_unknown_route_is_told_in_openais_shape(
    http: aiohttp.ClientSession, method: str, route: str, status: int
) -> None:
    answer = await http.request(method, route)
    assert (answer.status, (await answer.json())["error"]["code"]) == (status, status)


async def test_metrics_count_what_was_done(http: aiohttp.ClientSession) -> None:
    before = await metrics(http)
    body = {"messages": [{"role": "user", "content": "hi"}], "n": 4, "max_tokens": 5, "ignore_eos": True}
    answers = await asyncio.gather(*(http.post("/v1/chat/completions", json=body) for _ in range(2)))
    assert all([await answer.json() for answer in answers])
    after = await metrics(http)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown['vllm:generation_tokens_total{model_name="tiny"}'] == 40
    assert grown['vllm:request_success_total{finished_reason="length",model_name="tiny"}'] == 8
    assert grown['vllm:time_to_first_token_seconds_count{model_name="tiny"}'] == 2
    assert grown['vllm:request_queue_time_seconds_count{model_name="tiny"}'] == 2
    assert grown['vllm:inter_token_latency_seconds_count{model_name="tiny"}'] > 0
    assert after['vllm:num_requests_running{model_name="tiny"}'] == 0
    assert after['vllm:kv_cache_usage_perc{model_name="tiny"}'] == 0
    assert grown['trimtab_engine_batch_rows_sum{model_name="tiny"}'] == 40


async def metrics(http: aiohttp.ClientSession) -> dict[str, float]:
    lines = (await (await http.get("/metrics")).text()).splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")
    }


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "messages: Field required"),
        ({"messages": [{"content": "hi"}]}, "messages.0.role: Field required"),
        (
            {"messages": [{"role": "user", "content": 5}]},
            "messages.0.content: Input should be a valid string",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages.0.content.0.type: Input should be 'text'",
        ),
        ({"messages": HELLO, "stop": list("abcde")}, "stop: List should have at most 4 items"),
        ({"messages": HELLO, "stop": ["a", ""]}, "stop.1: String should have at least 1 character"),
        ({"messages": HELLO, "stop": 5}, "stop: Input should be a valid string"),
        ({"messages": HELLO, "n": "many"}, "n: Input should be a valid integer"),
    ],
)
def test_a_fault_in_a_body_names_its_field(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ChatBody.model_validate(asked)
    error = explained(refused.value.errors())
    assert error.message.startswith(said)
    assert error.param == said.split(":", maxsplit=1)[0].split(".", maxsplit=1)[0]


def test_an_error_body_carries_its_status_as_code() -> None:
    body = Overloaded("busy").body()
    assert body == {
        "error": {"message": "busy", "type": "ServiceUnavailableError", "param": None, "code": 503}
    }
