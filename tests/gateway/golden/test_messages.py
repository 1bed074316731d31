"""Messages: a chat completion's answer as blocks, in which nothing of it is lost, changed or said in other words."""

import json
from typing import Any

import httpx
import pytest

from tests.fakes.gateway import Running
from tests.gateway.golden.answers import (
    ANSWERS,
    LONG,
    USAGE,
    Json,
    choice,
    compact,
    completion,
    message,
    tool_call,
)
from tests.gateway.golden.conftest import HI, ask, events_of, thought_in
from tests.gateway.golden.streams import STREAMS, cut, ending, folded, frame, framed, opening

# A message is one answer, its calls have ids; log probabilities have no place in it, nor have OpenAI's tiers.
ANSWERABLE = [name for name in ANSWERS if name not in ("several", "legacy call", "bare")]
SPOKEN = [name for name in STREAMS if name != "several"]
STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
LARGE = '{"id": 12345678901234567890123, "share": 1e-05, "ratio": 0.10000000000000000001}'


def blocks_of(said: Json) -> list[tuple[str, ...]]:
    """What the engine's message is as blocks: its thought, its text, its calls, each to the letter."""
    text = (said.get("content") or "") + (said.get("refusal") or "")
    return [
        *([("thinking", thought)] if (thought := thought_in(said)) else []),
        *([("text", text)] if text else []),
        *(
            ("tool_use", call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in said.get("tool_calls") or ()
        ),
    ]


def written(block: tuple[str, ...]) -> bytes:
    """A block as JSON, in Anthropic's order; arguments stand in it as the engine wrote them."""
    match block:
        case ("tool_use", identity, name, arguments):
            head = compact({"type": "tool_use", "id": identity, "name": name}).removesuffix(b"}")
            return head + b',"input":' + (arguments or "{}").encode() + b"}"
        case ("thinking", thought):
            return compact({"type": "thinking", "thinking": thought, "signature": ""})
        case (kind, text):
            return compact({"type": kind, kind: text})
    raise ValueError(block)


def usage_of(told: Json) -> Json:
    """Anthropic counts what was read from a cache beside the input, OpenAI within it."""
    cached = (told.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return {
        "input_tokens": told["prompt_tokens"] - cached,
        "output_tokens": told["completion_tokens"],
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens_details": {
            "thinking_tokens": told["completion_tokens_details"]["reasoning_tokens"],
        },
    }


def message_of(told: Json, exchange: str) -> bytes:
    """The whole message that an engine's answer is."""
    [said] = told["choices"]
    head = {"id": f"msg_{exchange}", "type": "message", "role": "assistant", "model": "assistant"}
    reason = STOPS[said["finish_reason"]]
    tail = {"stop_reason": reason, "stop_sequence": None, "usage": usage_of(told["usage"])}
    content = b",".join(map(written, blocks_of(said["message"])))
    return (
        compact(head).removesuffix(b"}")
        + b',"content":['
        + content
        + b"],"
        + compact(tail).removeprefix(b"{")
    )


def say_hi(http: httpx.Client, **body: Any) -> httpx.Response:
    return ask(http, "messages", messages=HI, max_tokens=99, **body)


@pytest.mark.parametrize("name", ANSWERABLE)
def test_a_message_is_the_engines_answer_byte_for_byte(
    name: str, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(raw=compact(ANSWERS[name]))
    assert say_hi(http).content == message_of(ANSWERS[name], gateway.recorded.id)


@pytest.mark.parametrize(
    "told",
    [
        completion(choice(message(content=LONG, reasoning=LONG), finish_reason="length")),
        completion(choice(message(tool_calls=[tool_call(0, LARGE)]), finish_reason="tool_calls")),
        completion(choice(message(tool_calls=[tool_call(0, "")]), finish_reason="tool_calls")),
    ],
    ids=["cut off", "numbers of many digits", "a call without arguments"],
)
def test_what_is_seldom_said_is_told_as_it_was(told: Json, gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(raw=compact(told))
    assert say_hi(http).content == message_of(told, gateway.recorded.id)


def test_a_legacy_call_is_a_call(gateway: Running, http: httpx.Client) -> None:
    told = completion(*ANSWERS["legacy call"]["choices"])
    told["choices"] = [{**told["choices"][0], "finish_reason": "function_call"}]
    gateway.engine.says(raw=compact(told))
    answer = say_hi(http).json()
    call = {"type": "tool_use", "id": f"toolu_{gateway.recorded.id}_0", "name": "f", "input": {}}
    assert (answer["content"], answer["stop_reason"]) == ([call], "tool_use")


def test_a_legacy_call_is_streamed_as_a_call(gateway: Running, http: httpx.Client) -> None:
    pieces = [frame(0, {"function_call": {"arguments": piece}}) for piece in cut(LARGE)]
    named = frame(0, {"function_call": {"name": "f", "arguments": ""}})
    gateway.engine.says(frames=framed([opening(), named, *pieces, ending("function_call")]))
    events = events_of(say_hi(http, stream=True))
    assert heard_in(events) == [("tool_use", f"toolu_{gateway.recorded.id}_0", "f", LARGE)]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_stop_sequence_is_told(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(raw=compact(ANSWERS["stopped"]))
    assert say_hi(http, stop_sequences=["###"]).json()["stop_sequence"] == "###"


@pytest.mark.parametrize("name", SPOKEN)
def test_a_streams_pieces_come_to_what_the_engine_said(
    name: str, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(frames=framed(STREAMS[name]))
    events = events_of(say_hi(http, stream=True))
    said = folded(STREAMS[name])[0]
    assert heard_in(events) == blocks_of(as_message(said))
    assert events[-2]["delta"]["stop_reason"] == STOPS[said["finish_reason"]]
    if STREAMS[name][-1].get("usage"):
        assert events[-2]["usage"] == usage_of(USAGE)


def heard_in(events: list[Json]) -> list[tuple[str, ...]]:
    """The blocks of a stream, put together."""
    blocks: list[list[str]] = []
    for event in events:
        if event["type"] == "content_block_start":
            begun = event["content_block"]
            names = [begun["id"], begun["name"]] if begun["type"] == "tool_use" else []
            blocks.append([begun["type"], *names, ""])
        elif event["type"] == "content_block_delta":
            _, (_, piece) = event["delta"].items()
            blocks[event["index"]][-1] += piece
    return [tuple(block) for block in blocks]


def as_message(said: Json) -> Json:
    """What a stream came to, as the message that it would have been; a call without arguments is one with none."""
    calls = [
        {"id": call["id"], "function": {"name": call["name"], "arguments": call["arguments"] or "{}"}}
        for call in said["calls"].values()
    ]
    return {**said, "tool_calls": calls}


def test_numbers_of_many_digits_are_streamed_as_they_were_written(
    gateway: Running, http: httpx.Client
) -> None:
    call = tool_call(0, LARGE)
    gateway.engine.says(messages=(message(tool_calls=[call]),), finish_reason="tool_calls")
    [[_, _, _, arguments]] = heard_in(events_of(say_hi(http, stream=True)))
    assert (arguments, json.loads(arguments)["id"]) == (LARGE, 12345678901234567890123)


def test_a_count_is_the_engines(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(raw=compact({"count": 41, "max_model_len": 64, "tokens": [1, 2], "token_strs": None}))
    assert ask(http, "messages/count_tokens", messages=HI).content == b'{"input_tokens":41}'
