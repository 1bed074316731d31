import asyncio

import aiohttp
import pytest

from gateway.engines.pocket.app import explained
from gateway.engines.pocket.errors import Overloaded


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
    assert after['vllm:num_requests_running{model_name="tiny"}'] == 0
    assert grown['trimtab_engine_batch_rows_sum{model_name="tiny"}'] == 40


async def metrics(http: aiohttp.ClientSession) -> dict[str, float]:
    lines = (await (await http.get("/metrics")).text()).splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")
    }


def test_a_fault_in_a_body_names_its_field() -> None:
    fault = {"type": "missing", "loc": ("body", "messages", 0, "role"), "msg": "Field required"}
    error = explained(fault)
    assert (error.message, error.param) == ("messages.0.role: Field required", "messages")


def test_an_error_body_carries_its_status_as_code() -> None:
    body = Overloaded("busy").body()
    assert body == {
        "error": {"message": "busy", "type": "ServiceUnavailableError", "param": None, "code": 503}
    }
