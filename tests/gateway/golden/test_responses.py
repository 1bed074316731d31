"""Responses: a chat completion's answer as items, in which nothing of it is lost, changed or said in other words."""

from typing import Any

import httpx
import pytest

from tests.fakes.gateway import Running
from tests.gateway.golden.answers import ANSWERS, LONG, USAGE, Json, choice, compact, completion, message
from tests.gateway.golden.conftest import ask, events_of, thought_in
from tests.gateway.golden.streams import STREAMS, folded, framed

# Of these the API has no second answer, and no field for.
ANSWERABLE = [name for name in ANSWERS if name not in ("several", "legacy call")]
SPOKEN = [name for name in STREAMS if name != "several"]
LEGACY = {"type": "function_call", "call_id": "f", "name": "f", "arguments": "{}", "status": "completed"}


def items_of(said: Json, logprobs: Json | None, exchange: str) -> list[Json]:
    """What the engine's message is as items: its thought, its text, its calls, each to the letter."""
    done = {"status": "completed"}
    items = []
    if thought := thought_in(said):
        content = [{"type": "reasoning_text", "text": thought}]
        items.append(
            {"id": f"rs_{exchange}_0", "type": "reasoning", "summary": [], "content": content, **done}
        )
    spelled = (logprobs or {}).get("content") or []
    parts: list[Json] = []
    if text := said.get("content"):
        parts.append({"type": "output_text", "text": text, "annotations": [], "logprobs": spelled})
    if refusal := said.get("refusal"):
        parts.append({"type": "refusal", "refusal": refusal})
    calls = said.get("tool_calls") or ()
    if not (parts or calls):
        parts.append({"type": "output_text", "text": "", "annotations": [], "logprobs": []})
    if parts:
        identity = {"id": f"msg_{exchange}_0", "type": "message", "role": "assistant"}
        items.append({**identity, "content": parts, **done})
    for number, call in enumerate(calls):
        identity = {"id": f"fc_{exchange}_{number}", "type": "function_call", "call_id": call["id"]}
        items.append({**identity, **call["function"], **done})
    return items


def response_of(told: Json, exchange: str, created: int) -> Json:
    """The whole Response object that an engine's answer to `hi` is, in OpenAI's order."""
    [said] = told["choices"]
    cut_off = said["finish_reason"] == "length"
    output = items_of(said["message"], said["logprobs"], exchange)
    if cut_off:
        output[-1]["status"] = "incomplete"
    body = {
        "id": f"resp_{exchange}",
        "object": "response",
        "created_at": created,
        "status": "incomplete" if cut_off else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut_off else None,
        "instructions": None,
        "model": "assistant",
        "output": output,
        **AS_ASKED,
        "usage": usage_of(told["usage"]),
    }
    return body | ({"service_tier": told["service_tier"]} if told.get("service_tier") else {})


AS_ASKED: Json = {
    "text": {"format": {"type": "text"}},
    "tools": [],
    "tool_choice": "auto",
    "reasoning": {"effort": None, "summary": None},
    "max_output_tokens": None,
    "top_logprobs": 0,
    "parallel_tool_calls": True,
    "temperature": None,
    "top_p": None,
    "previous_response_id": None,
    "user": None,
    "safety_identifier": None,
    "prompt_cache_key": None,
    "metadata": {},
    "truncation": "disabled",
    "store": False,
}


def usage_of(told: Json) -> Json:
    cached = (told.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return {
        "input_tokens": told["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": told["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": told["completion_tokens_details"]["reasoning_tokens"]},
        "total_tokens": told["total_tokens"],
    }


def say_hi(http: httpx.Client, **body: Any) -> httpx.Response:
    return ask(http, "responses", input="hi", store=False, **body)


@pytest.mark.parametrize("name", ANSWERABLE)
def test_a_response_is_the_engines_answer_byte_for_byte(
    name: str, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(raw=compact(ANSWERS[name]))
    answer = say_hi(http)
    created = answer.json()["created_at"]
    assert answer.content == compact(response_of(CHOSEN[name], gateway.recorded.id, created))


# A bare answer lacks what a completion has around its choices.
CHOSEN = ANSWERS | {"bare": completion(*ANSWERS["bare"]["choices"], usage=USAGE)}


def test_an_answer_cut_off_says_so_and_is_otherwise_the_engines(gateway: Running, http: httpx.Client) -> None:
    told = completion(choice(message(content=LONG, reasoning=LONG), finish_reason="length"))
    gateway.engine.says(raw=compact(told))
    answer = say_hi(http)
    assert answer.content == compact(response_of(told, gateway.recorded.id, answer.json()["created_at"]))


def test_a_legacy_call_is_a_call(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(raw=compact(ANSWERS["legacy call"]))
    assert say_hi(http).json()["output"] == [{"id": f"fc_{gateway.recorded.id}_0", **LEGACY}]


@pytest.mark.parametrize("name", SPOKEN)
def test_a_stream_ends_in_the_response_of_what_the_engine_said(
    name: str, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(frames=framed(STREAMS[name]))
    events = events_of(say_hi(http, stream=True))
    said = folded(STREAMS[name])[0]
    assert (events[-1]["type"], events[-1]["response"]["output"]) == (
        "response.completed",
        items_of(as_message(said), {"content": said["logprobs"]}, gateway.recorded.id),
    )
    if STREAMS[name][-1].get("usage"):
        assert events[-1]["response"]["usage"] == usage_of(USAGE)


@pytest.mark.parametrize("name", SPOKEN)
def test_a_streams_pieces_come_to_what_the_engine_said(
    name: str, gateway: Running, http: httpx.Client
) -> None:
    gateway.engine.says(frames=framed(STREAMS[name]))
    heard: dict[str, str] = {}
    spelled: list[Json] = []
    for event in events_of(say_hi(http, stream=True)):
        if event["type"].endswith(".delta"):
            place = "arguments" if "arguments" in event["type"] else event["type"].split(".")[1]
            place += event["item_id"][-1] if place == "arguments" else ""
            heard[place] = heard.get(place, "") + event["delta"]
            spelled += event.get("logprobs") or []
    said = folded(STREAMS[name])[0]
    calls = {f"arguments{number}": call["arguments"] for number, call in said["calls"].items()}
    texts = {"reasoning_text": said.get("reasoning", ""), "output_text": said.get("content", ""), **calls}
    assert heard == {place: text for place, text in texts.items() if text}
    assert spelled == said["logprobs"]


def as_message(said: Json) -> Json:
    """What a stream came to, as the message that it would have been."""
    calls = [
        {"id": call["id"], "function": {"name": call["name"], "arguments": call["arguments"]}}
        for call in said["calls"].values()
    ]
    return {**said, "tool_calls": calls}


def test_the_tier_that_served_is_told_at_a_streams_end(gateway: Running, http: httpx.Client) -> None:
    gateway.engine.says(frames=framed([{**each, "service_tier": "flex"} for each in STREAMS["short"]]))
    assert events_of(say_hi(http, stream=True))[-1]["response"]["service_tier"] == "flex"
