"""The fake engine: a fake that lies about vLLM would make every other test lie."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.fakes.engine import FakeEngine, Script, fake_engine
from tests.fakes.gateway import until


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeEngine, httpx.Client]]:
    with fake_engine() as (engine, server), httpx.Client(base_url=server.url, timeout=5) as client:
        yield engine, client


def ask(client: httpx.Client, **body: object) -> httpx.Response:
    asked = {"model": "base", "messages": [{"role": "user", "content": "hi"}], **body}
    return client.post("/v1/chat/completions", json=asked)


def test_it_says_what_it_was_told_to_say_to_somebody(served: tuple[FakeEngine, httpx.Client]) -> None:
    engine, client = served
    engine.says("one")
    engine.scripts["good day"] = Script(texts=("And to you.",))
    said = [
        ask(
            client, messages=[{"role": "user", "content": words}, {"role": "assistant", "content": "?"}]
        ).json()
        for words in ("good day", "hi")
    ]
    assert [each["choices"][0]["message"]["content"] for each in said] == ["And to you.", "one"]


def test_it_says_what_it_was_told_to(served: tuple[FakeEngine, httpx.Client]) -> None:
    engine, client = served
    engine.says("one", "two")
    answer = ask(client, n=3, seed=4).json()
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["one", "two", "one"]
    assert engine.asked.body["seed"] == 4
    assert until(lambda: engine.asked.state == "answered")  # noted once the last byte has left


def test_it_counts_beside_its_versioned_routes(served: tuple[FakeEngine, httpx.Client]) -> None:
    engine, client = served
    engine.says()
    asked = {"model": "base", "messages": [{"role": "user", "content": "hi"}]}
    counted = client.post("/tokenize", json=asked).json()
    assert counted["count"] == len(counted["tokens"]) > 0


def test_its_streams_are_read_by_the_official_client(served: tuple[FakeEngine, httpx.Client]) -> None:
    engine, client = served
    engine.says("a longer text", "b")
    with openai.OpenAI(base_url=f"{client.base_url}/v1", api_key="k") as sdk:
        stream = sdk.chat.completions.create(
            model="base", messages=[{"role": "user", "content": "x"}], n=2, stream=True
        )
        heard = ["", ""]
        for chunk in stream:
            for choice in chunk.choices:
                heard[choice.index] += choice.delta.content or ""
    assert heard == ["a longer text", "b"]


def test_it_knows_when_the_client_left(served: tuple[FakeEngine, httpx.Client]) -> None:
    engine, client = served
    engine.says(before_answer=30)
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/chat/completions", json={"model": "base"}, timeout=0.2)
    deadline = time.monotonic() + 5
    while engine.asked.state == "open" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.asked.state == "left"


def test_it_hangs_up_where_it_was_told_to(served: tuple[FakeEngine, httpx.Client]) -> None:
    engine, client = served
    engine.says("a text of several chunks", cut_after=2)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(client, stream=True)


def test_adapters_come_and_go_with_vllms_status_codes(
    served: tuple[FakeEngine, httpx.Client], tmp_path: Path
) -> None:
    _, client = served
    load = {"lora_name": "v2", "lora_path": str(tmp_path)}
    assert client.post("/v1/load_lora_adapter", json=load).status_code == 404
    (tmp_path / "adapter_config.json").write_text(json.dumps({}))
    assert client.post("/v1/load_lora_adapter", json=load).status_code == 200
    assert client.post("/v1/load_lora_adapter", json=load).status_code == 400
    assert [each["id"] for each in client.get("/v1/models").json()["data"]] == ["base", "v2"]
    assert client.post("/v1/unload_lora_adapter", json={"lora_name": "v2"}).status_code == 200
    assert client.post("/v1/unload_lora_adapter", json={"lora_name": "v2"}).status_code == 404


def test_an_unknown_model_is_not_found(served: tuple[FakeEngine, httpx.Client]) -> None:
    engine, client = served
    engine.says()
    assert ask(client, model="nobody").status_code == 404
