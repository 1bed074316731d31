"""A gateway whose guards find nothing in what its engine says here, and a plain way to ask it."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.gateway import Running, running_gateway
from tests.gateway.golden.answers import Json
from tests.gateway.golden.streams import framed

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway() as running:
        yield running


def ask(http: httpx.Client, path: str = "chat/completions", **body: Any) -> httpx.Response:
    return http.post(f"/v1/{path}", json={"model": "assistant", **body})


def streamed(gateway: Running, http: httpx.Client, frames: list[Json], **body: Any) -> list[Json]:
    """What a client gets of an engine's frames."""
    gateway.engine.says(frames=framed(frames))
    answer = ask(http, messages=HI, stream=True, stream_options={"include_usage": True}, **body)
    *told, end = answer.text.removesuffix("\n\n").split("\n\n")
    assert end == "data: [DONE]", answer.text
    return [json.loads(each.removeprefix("data: ")) for each in told]


def events_of(answer: httpx.Response) -> list[Json]:
    """The payloads of a stream of named events."""
    frames = answer.text.removesuffix("\n\n").split("\n\n")
    return [json.loads(each.split("\n", 1)[1].removeprefix("data: ")) for each in frames]


def thought_in(said: Json) -> str:
    """What an engine's message says of its thoughts, under either name."""
    return said.get("reasoning") or said.get("reasoning_content") or ""
