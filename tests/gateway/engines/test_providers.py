"""Any OpenAI-compatible provider as an engine: its key, its headers, its names, and what it cannot do."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.engines.contract import EngineFailed
from gateway.engines.http import Patience
from gateway.engines.origin import Origins
from gateway.engines.pool import Pool
from gateway.engines.providers import engine_of, shown
from gateway.metrics import Metrics
from gateway.settings import EngineSettings, SettingsInvalid, load_settings
from tests.fakes.engine import FakeEngine, drained, fake_engine

ASK = {"model": "base", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def served() -> Iterator[list[tuple[FakeEngine, str]]]:
    with fake_engine() as (vllm, first), fake_engine() as (provider, second):
        provider.models, provider.loads_adapters = ("gpt-provider", "other"), False
        yield [(vllm, f"{first.url}/v1"), (provider, f"{second.url}/v1")]


@pytest.fixture
def fakes(served: list[tuple[FakeEngine, str]]) -> list[FakeEngine]:
    for fake, _ in served:
        fake.says()
        fake.adapters.clear()
    return [fake for fake, _ in served]


@pytest.fixture
async def engines(fakes: list[FakeEngine], served: Any) -> AsyncIterator[list[Any]]:
    told = [
        {"name": "vllm"},
        {
            "name": "provider",
            "api_key": "SENTINEL",
            "headers": {"X-Project": "p1"},
            "models": {"base": "gpt-provider"},
        },
    ]
    async with Origins() as session:
        yield [
            engine_of(EngineSettings(url=url, **how), session, Patience())
            for how, (_, url) in zip(told, served, strict=True)
        ]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    (tmp_path / "adapter_config.json").write_text("{}")
    return tmp_path


async def test_tokens_are_counted_by_the_model_that_is_meant(
    fakes: list[FakeEngine], engines: list[Any]
) -> None:
    assert await engines[1].count(ASK) == 3
    assert fakes[1].asked.body["model"] == "gpt-provider"


async def test_key_headers_and_the_providers_name_for_a_model_reach_it(
    fakes: list[FakeEngine], engines: list[Any]
) -> None:
    await engines[1].complete(ASK)
    await drained(engines[1].stream({**ASK, "stream": True}))
    for asked in fakes[1].requests:
        assert asked.headers["authorization"] == "Bearer SENTINEL"
        assert asked.headers["x-project"] == "p1"
        assert asked.body["model"] == "gpt-provider"


async def test_what_is_not_in_the_map_keeps_its_name(fakes: list[FakeEngine], engines: list[Any]) -> None:
    await engines[1].complete({**ASK, "model": "other"})
    assert fakes[1].asked.body["model"] == "other"
    assert await engines[1].models() == ("base", "other")


async def test_a_provider_without_adapters_does_not_stop_a_swap_on_the_others(
    fakes: list[FakeEngine], engines: list[Any], adapter: Path
) -> None:
    pool = Pool(engines, Metrics())
    await pool.check()
    await pool.load_adapter("v2", adapter)
    await pool.check()
    assert [list(fake.adapters) for fake in fakes] == [["v2"], []]
    assert "v2" in await pool.models()
    assert pool.status() == {"vllm": True, "provider": True}


async def test_a_request_for_an_adapter_goes_where_it_is(
    fakes: list[FakeEngine], engines: list[Any], adapter: Path
) -> None:
    pool = Pool(engines, Metrics())
    await pool.check()
    await pool.load_adapter("v2", adapter)
    for _ in range(4):
        await pool.complete({**ASK, "model": "v2"})
    assert [len(fake.requests) for fake in fakes] == [4, 0]
    assert len(await pool.probe({**ASK, "model": "v2"})) == 1
    assert len(await pool.probe(ASK)) == 2


async def test_where_nobody_loads_adapters_that_is_told(engines: list[Any], adapter: Path) -> None:
    pool = Pool(engines[1:], Metrics())
    await pool.check()
    with pytest.raises(EngineFailed, match="loads adapters"):
        await pool.load_adapter("v2", adapter)


async def test_capabilities_are_found_without_using_them(fakes: list[FakeEngine], engines: list[Any]) -> None:
    pool = Pool(engines, Metrics())
    await pool.check()
    assert [each.can.as_json()["adapters"] for each in pool.replicas] == [True, False]
    assert not any(fake.requests or fake.adapters for fake in fakes)


async def test_what_is_declared_is_believed(engines: list[Any]) -> None:
    pool = Pool(engines, Metrics(), {"vllm": ("n",)})
    await pool.check()
    assert pool.replica("vllm").can.as_json() == {"n": True, "logprobs": False, "adapters": False}


@pytest.mark.parametrize(
    "url", ["https://me:SENTINEL@host:1/v1", "https://SENTINEL@host:1/v1?key=SENTINEL#SENTINEL"]
)
def test_a_url_is_shown_without_credentials(url: str) -> None:
    assert shown(url) == "https://host:1/v1"


@pytest.mark.parametrize(
    "engine",
    [
        {"headers": {"x-a": "SENTINEL\r\nx-b: c"}},
        {"headers": {"bad name": "SENTINEL"}},
        {"headers": {"Content-Length": "SENTINEL"}},
        {"serves": ["telepathy"]},
        {"models": {"base": {"SENTINEL": 1}}},
    ],
)
def test_settings_that_cannot_be_meant_are_refused_and_repeat_no_value(engine: dict[str, Any]) -> None:
    with pytest.raises(SettingsInvalid, match=r"engines\.0\.") as refused:
        load_settings(engines=[engine])
    assert "SENTINEL" not in str(refused.value)


def test_header_values_do_not_show() -> None:
    assert "SENTINEL" not in repr(load_settings(engines=[{"headers": {"x-key": "SENTINEL"}}]))
