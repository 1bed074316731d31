"""Streams of chat completions: field by field, and in their order, what the engine sent."""

import json

import httpx
import pytest

from tests.fakes.engine import sse
from tests.fakes.gateway import Running
from tests.gateway.golden.answers import LONG, USAGE, Json, token
from tests.gateway.golden.conftest import HI, ask, streamed
from tests.gateway.golden.streams import (
    COUNTED,
    DONE,
    STREAMS,
    TOLD_ONCE,
    ending,
    folded,
    frame,
    framed,
    opening,
)


def orders(frames: list[Json]) -> set[tuple[str, ...]]:
    """The fields of frames and of their choices, in their order."""
    return {tuple(each) for frame in frames for each in (frame, *frame["choices"])}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_comes_to_what_the_engine_said(name: str, gateway: Running, http: httpx.Client) -> None:
    told = STREAMS[name]
    got = streamed(gateway, http, told, n=len(folded(told)))
    assert {index: {"content": "", **each} for index, each in folded(got).items()} == {
        index: {"content": "", "role": "assistant", **each} for index, each in folded(told).items()
    }
    assert got[-1]["usage"] == USAGE or told[-1] is not COUNTED


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in TOLD_ONCE])
def test_a_streams_frames_have_the_engines_fields_in_the_engines_order(
    name: str, gateway: Running, http: httpx.Client
) -> None:
    told = STREAMS[name]
    got = streamed(gateway, http, told, n=len(folded(told)))
    assert orders(got) <= orders([*told, COUNTED])
    assert {(each["id"], each["model"]) for each in got} == {(f"chatcmpl-{gateway.recorded.id}", "assistant")}
    for field in ("object", "created", "system_fingerprint", "service_tier"):
        assert {each.get(field) for each in got} == {each.get(field) for each in told}


def test_what_only_the_first_frame_tells_is_told_once(gateway: Running, http: httpx.Client) -> None:
    got = streamed(gateway, http, STREAMS["ids"])
    assert [each.get("prompt_token_ids") for each in got if "prompt_token_ids" in each] == [[1, 31]]
    assert "prompt_token_ids" in got[0]


def test_usage_is_left_out_of_frames_where_nobody_asked(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(frames=framed(STREAMS["usage in each"]))
    assert "usage" not in ask(http, messages=HI, stream=True).text


def test_ids_and_logprobs_never_run_ahead_of_their_text(gateway: Running, http: httpx.Client) -> None:
    got = streamed(gateway, http, STREAMS["logprobs"])
    text, spelled = "", ""
    for each in (each for chunk in got for each in chunk["choices"]):
        text += each["delta"].get("content") or ""
        spelled += "".join(one["token"] for one in (each["logprobs"] or {"content": ()})["content"])
        assert text.startswith(spelled)
    assert spelled == text == LONG


def test_of_equal_letters_that_come_together_none_is_told_before_its_turn(
    gateway: Running, http: httpx.Client
) -> None:
    told = [frame(0, {"content": each}, logprobs={"content": [token(each)]}) for each in LONG]
    together = b"".join(map(sse, [opening(), *told, ending()]))
    gateway.engine.says(frames=(together, DONE))
    text, spelled = "", ""
    for line in ask(http, messages=HI, stream=True, logprobs=True).text.split("\n\n"):
        for each in json.loads(line.removeprefix("data: "))["choices"] if line.startswith("data: {") else ():
            text += each["delta"].get("content") or ""
            spelled += "".join(one["token"] for one in (each["logprobs"] or {"content": ()})["content"])
            assert text.startswith(spelled)
    assert spelled == text == LONG
