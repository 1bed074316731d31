"""Adapters come and go over HTTP, as on vLLM, and nobody in flight notices."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fakes.tiny_adapter import make_tiny_adapter

ASK = {"messages": [{"role": "user", "content": "How do I do it?"}], "max_tokens": 24, "temperature": 0}
NAMES = itertools.count()


async def send(http: aiohttp.ClientSession, route: str, body: dict[str, Any]) -> aiohttp.ClientResponse:
    answer = await http.post(f"/v1/{route}", json=body)
    await answer.read()
    return answer


async def load(http: aiohttp.ClientSession, name: str, path: Path) -> aiohttp.ClientResponse:
    return await send(http, "load_lora_adapter", {"lora_name": name, "lora_path": str(path)})


async def unload(http: aiohttp.ClientSession, name: str) -> aiohttp.ClientResponse:
    return await send(http, "unload_lora_adapter", {"lora_name": name})


@asynccontextmanager
async def loaded(http: aiohttp.ClientSession, path: Path) -> AsyncIterator[str]:
    name = f"version-{next(NAMES)}"
    assert (await load(http, name, path)).status == 200
    yield name
    await unload(http, name)


async def say(http: aiohttp.ClientSession, model: str = "tiny") -> str:
    answer = await (await http.post("/v1/chat/completions", json=ASK | {"model": model})).json()
    said: str = answer["choices"][0]["message"]["content"]
    return said


async def models(http: aiohttp.ClientSession) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await (await http.get("/v1/models")).json())["data"]
    return found


async def test_a_load_and_an_unload_are_told_in_vllms_words(
    http: aiohttp.ClientSession, adapters: dict[str, Path]
) -> None:
    answer = await load(http, "mine", adapters["one"])
    assert await answer.text() == "Success: LoRA adapter 'mine' added successfully."
    assert answer.content_type == "text/plain"
    answer = await unload(http, "mine")
    assert await answer.text() == "Success: LoRA adapter 'mine' removed successfully."


async def test_adapters_are_listed_with_root_and_parent(
    http: aiohttp.ClientSession, adapters: dict[str, Path]
) -> None:
    async with loaded(http, adapters["one"]) as name:
        base, adapter = await models(http)
    assert (base["id"], base["root"], base["parent"], base["max_model_len"]) == (
        "tiny",
        "/where/it/lies",
        None,
        256,
    )
    assert (adapter["id"], adapter["root"], adapter["parent"]) == (name, str(adapters["one"]), "tiny")
    assert len(await models(http)) == 1


async def test_versions_in_flight_together_say_what_each_says_alone(
    http: aiohttp.ClientSession, adapters: dict[str, Path]
) -> None:
    async with loaded(http, adapters["one"]) as one, loaded(http, adapters["two"]) as two:
        names = ["tiny", one, two]
        alone = [await say(http, name) for name in names]
        together = await asyncio.gather(*(say(http, name) for name in names * 4))
    assert together == alone * 4
    assert len(set(alone)) == 3


async def test_a_stream_finishes_on_the_version_it_began_on(
    http: aiohttp.ClientSession, adapters: dict[str, Path]
) -> None:
    body = ASK | {"model": "brief", "max_tokens": 200, "stream": True, "ignore_eos": True}
    await load(http, "brief", adapters["one"])
    whole = await (await http.post("/v1/chat/completions", json=body)).text()
    answer = await http.post("/v1/chat/completions", json=body)
    await unload(http, "brief")
    await load(http, "brief", adapters["two"])
    assert said(await answer.text()) == said(whole)
    assert (await unload(http, "brief")).status == 200


def said(stream: str) -> list[str]:
    return [frame.split('"choices":')[1] for frame in stream.splitlines() if '"choices":' in frame]


async def test_an_unloaded_name_is_unknown(http: aiohttp.ClientSession, adapters: dict[str, Path]) -> None:
    async with loaded(http, adapters["one"]) as name:
        pass
    answer = await send(http, "chat/completions", ASK | {"model": name})
    assert answer.status == 404
    assert (await answer.json())["error"]["message"] == f"The model `{name}` does not exist."


async def test_a_loads_files_may_go_once_it_is_loaded(
    http: aiohttp.ClientSession, policy: Path, tmp_path: Path
) -> None:
    folder = make_tiny_adapter(policy, tmp_path / "gone")
    async with loaded(http, folder) as name:
        before = await say(http, name)
        for file in folder.iterdir():
            file.unlink()
        assert await say(http, name) == before


@pytest.fixture(scope="module")
def broken(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    make_tiny_adapter(policy, folder / "large", rank=16)
    make_tiny_adapter(policy, folder / "dora", use_dora=True)
    truncated = make_tiny_adapter(policy, folder / "truncated") / "adapter_model.safetensors"
    truncated.write_bytes(truncated.read_bytes()[:100])
    return folder


@pytest.mark.parametrize(
    ("folder", "status", "kind", "said"),
    [
        ("nowhere", 404, "NotFoundError", "No adapter found for"),
        ("large", 500, "InternalServerError", "LoRA rank 16 is greater than max_lora_rank 8."),
        ("dora", 500, "InternalServerError", "does not yet support DoRA."),
        ("truncated", 500, "InternalServerError", "Error while deserializing header"),
    ],
)
async def test_a_load_that_fails_leaves_everything_as_it_was(
    http: aiohttp.ClientSession, broken: Path, folder: str, status: int, kind: str, said: str
) -> None:
    before = await say(http)
    answer = await load(http, "bad", broken / folder)
    error = (await answer.json())["error"]
    assert (answer.status, error["type"], said in error["message"]) == (status, kind, True)
    assert (await say(http), len(await models(http))) == (before, 1)


@pytest.mark.parametrize(
    ("route", "body", "said"),
    [
        ("load", {"lora_name": "tiny", "lora_path": "x"}, "conflicts with a served base model"),
        ("load", {"lora_name": "", "lora_path": "x"}, "Both 'lora_name' and 'lora_path' must be provided."),
        ("load", {"lora_name": "a"}, "lora_path: Field required"),
        ("load", {"lora_name": "a", "lora_path": "x", "load_inplace": True}, "load_inplace would change"),
        ("unload", {"lora_name": ""}, "'lora_name' needs to be provided"),
        ("unload", {}, "lora_name: Field required"),
    ],
)
async def test_what_cannot_be_meant_is_a_bad_request(
    http: aiohttp.ClientSession, route: str, body: dict[str, Any], said: str
) -> None:
    answer = await send(http, f"{route}_lora_adapter", body)
    assert answer.status == 400
    assert said in (await answer.json())["error"]["message"]


async def test_a_name_is_loaded_once_even_by_two_at_a_time(
    http: aiohttp.ClientSession, adapters: dict[str, Path]
) -> None:
    answers = await asyncio.gather(*(load(http, "twice", adapters["one"]) for _ in range(2)))
    assert sorted(answer.status for answer in answers) == [200, 400]
    refused = next(answer for answer in answers if answer.status == 400)
    assert (await refused.json())["error"]["message"] == (
        "The lora adapter 'twice' has already been loaded. If you want to load the adapter in place, "
        "set 'load_inplace' to True."
    )
    await unload(http, "twice")


async def test_an_unknown_name_cannot_be_unloaded(http: aiohttp.ClientSession) -> None:
    answer = await unload(http, "nobody")
    assert answer.status == 404
    assert (await answer.json())["error"]["message"] == "The lora adapter 'nobody' cannot be found."
