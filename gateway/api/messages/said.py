"""A chat completion's answer as a message: what was thought, what was said, what is to be called."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from gateway import reply
from gateway.nesting import DEEPEST, nests_beyond
from gateway.trip import Trip

Json = dict[str, Any]
# The kind of block that each text of a chat completion's message belongs to, as it is thought and said.
# Of the two names of a thought some engines use both; the first that is heard is it.
KINDS = {"reasoning": "thinking", "reasoning_content": "thinking", "content": "text", "refusal": "text"}
STOPS = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
INVALID = "INVALID_JSON"  # Anthropic's own name for arguments that are no JSON object


def message_of(trip: Trip, body: Mapping[str, Any]) -> Json:
    """The whole message."""
    choice = body["choices"][0]
    content = list(_blocks(trip, choice["message"]))
    message = {
        **begun(trip),
        "content": content,
        **stop_of(trip, choice, called=any(block["type"] == "tool_use" for block in content)),
    }
    return {**message, "alignment": body["alignment"]} if "alignment" in body else message


def begun(trip: Trip) -> Json:
    """A message of which nothing has been said yet."""
    return {
        "id": f"msg_{trip.ask.id}",
        "type": "message",
        "role": "assistant",
        "model": trip.ask.alias,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_of(trip),
    }


def usage_of(trip: Trip) -> Json:
    """Tokens spent on all candidates; those of the input that an engine took from its cache, by themselves."""
    told = reply.usage_of(trip)
    cached = (told.get("prompt_tokens_details") or {}).get("cached_tokens")
    read = max(0, min(int(cached or 0), trip.usage.prompt))
    usage = {
        "input_tokens": trip.usage.prompt - read,
        "output_tokens": trip.usage.completion,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": read,
    }
    thought = (told.get("completion_tokens_details") or {}).get("reasoning_tokens")
    return usage if thought is None else {**usage, "output_tokens_details": {"thinking_tokens": int(thought)}}


def stop_of(trip: Trip, choice: Mapping[str, Any], *, called: bool) -> Json:
    """Why the message ends; an engine that was told which tool to call may say no more than `stop`.

    A stop sequence is named if it is one of the client's own: another string would be text that no guard has read.
    """
    reason, matched = choice["finish_reason"], choice.get("stop_reason")
    if reason != "stop":
        return {"stop_reason": STOPS.get(reason, "end_turn"), "stop_sequence": None}
    if called:
        return {"stop_reason": "tool_use", "stop_sequence": None}
    if isinstance(matched, str) and matched in (trip.ask.body.get("stop") or ()):
        return {"stop_reason": "stop_sequence", "stop_sequence": matched}
    return {"stop_reason": "end_turn", "stop_sequence": None}


def text_block(kind: str, text: str) -> Json:
    """A block of text; thinking is unsigned, since nobody here could tell a signature from another."""
    return {"type": kind, kind: text, **({"signature": ""} if kind == "thinking" else {})}


def call_block(
    exchange_id: str, position: int, call: Mapping[str, Any], called_with: Json | orjson.Fragment
) -> Json:
    """A call of a tool."""
    name = (call.get("function") or {}).get("name") or ""
    identity = call.get("id") or f"toolu_{exchange_id}_{position}"
    return {"type": "tool_use", "id": identity, "name": name, "input": called_with}


def arguments_of(written: str) -> str:
    """The arguments as a JSON object, which all clients parse; what is none is put into one, as it was written."""
    written = written or "{}"
    try:
        called = orjson.loads(written)
        fits = isinstance(called, dict) and not nests_beyond(called, DEEPEST)
    except orjson.JSONDecodeError:
        fits = False
    return written if fits else orjson.dumps({INVALID: written}).decode()


def _blocks(trip: Trip, message: Mapping[str, Any]) -> Iterator[Json]:
    if thought := message.get("reasoning") or message.get("reasoning_content"):
        yield text_block("thinking", thought)
    if text := "".join(message.get(name) or "" for name, kind in KINDS.items() if kind == "text"):
        yield text_block("text", text)
    legacy = message.get("function_call")
    calls = [*(message.get("tool_calls") or ()), *([{"function": legacy}] if legacy else [])]
    for position, call in enumerate(calls):
        written = (call.get("function") or {}).get("arguments") or ""
        # As they were written: a number of many digits would not survive being read and written again.
        yield call_block(trip.ask.id, position, call, orjson.Fragment(arguments_of(written)))
