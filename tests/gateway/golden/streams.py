"""Streams of an engine with vLLM's shape, and what their pieces come to."""

from collections.abc import Iterator
from typing import Any

from tests.fakes.engine import sse
from tests.gateway.golden.answers import CALLS, LONG, USAGE, Json, token, tool_call

DONE = b"data: [DONE]\n\n"


def frame(index: int, delta: Json, finish: str | None = None, **told: Any) -> Json:
    said = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish} | told
    return around([said])


def around(choices: list[Json], **told: Any) -> Json:
    return {
        "id": "chatcmpl-of-the-engine",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "base",
        "choices": choices,
        **told,
    }


def cut(text: str, length: int = 3) -> list[str]:
    return [text[start : start + length] for start in range(0, len(text), length)]


def opening(index: int = 0) -> Json:
    return frame(index, {"role": "assistant", "content": ""})


def ending(reason: str = "stop", index: int = 0, **told: Any) -> Json:
    return frame(index, {"content": ""}, reason, stop_reason=None, **told)


def calls_in_pieces(calls: list[Json]) -> Iterator[Json]:
    for position, each in enumerate(calls):
        named = {"id": each["id"], "type": "function", "index": position}
        name, arguments = each["function"]["name"], each["function"]["arguments"]
        yield frame(0, {"tool_calls": [{**named, "function": {"name": name, "arguments": ""}}]})
        for piece in cut(arguments):
            yield frame(0, {"tool_calls": [{"index": position, "function": {"arguments": piece}}]})


COUNTED = around([], usage=USAGE)
EMPTY = {"role": None, "refusal": None, "tool_calls": None}
STREAMS = {
    "text": [opening(), *(frame(0, {"content": piece}) for piece in cut(LONG * 4)), ending(), COUNTED],
    "short": [opening(), frame(0, {"content": "x"}), ending(), COUNTED],
    "silent": [opening(), ending(), COUNTED],
    "one frame": [frame(0, {"role": "assistant", "content": LONG}, "stop", stop_reason=None), COUNTED],
    "several": [
        *(opening(0), opening(1)),
        *(frame(index, {"content": piece}) for piece in cut(LONG) for index in (0, 1)),
        *(ending(), ending("length", 1), COUNTED),
    ],
    "calls": [opening(), *calls_in_pieces(CALLS), ending("tool_calls"), COUNTED],
    "text, then calls": [
        *(opening(), *(frame(0, {"content": piece}) for piece in cut("Let me look that up."))),
        *(*calls_in_pieces(CALLS), ending("tool_calls"), COUNTED),
    ],
    "a call without arguments": [opening(), *calls_in_pieces([tool_call(0, "")]), ending("tool_calls")],
    "reasoning": [
        frame(0, {"role": "assistant", "content": ""}),
        *(frame(0, {"reasoning": piece}) for piece in cut(LONG * 2)),
        *(frame(0, {"content": piece}) for piece in cut(LONG)),
        *(ending(), COUNTED),
    ],
    "logprobs": [
        opening(),
        *(frame(0, {"content": each}, logprobs={"content": [token(each)]}) for each in cut(LONG)),
        *(ending(), COUNTED),
    ],
    "ids": [
        around([{"index": 0, "delta": {"role": "assistant", "content": ""}}], prompt_token_ids=[1, 31]),
        *(frame(0, {"content": each}, token_ids=[len(each)]) for each in cut(LONG)),
        *(ending(token_ids=[2]), COUNTED),
    ],
    "nulls": [
        *(frame(0, {**EMPTY, "role": "assistant", "content": piece}) for piece in cut(LONG)),
        *(frame(0, {**EMPTY, "content": None}, "stop", matched_stop=None), COUNTED),
    ],
    "labels": [
        around(frame(0, {"content": LONG})["choices"], system_fingerprint="vllm-0.32.0", service_tier=None),
        around(
            frame(0, {}, "stop", stop_reason="###")["choices"],
            system_fingerprint="vllm-0.32.0",
            service_tier=None,
        ),
        COUNTED,
    ],
    "usage in each": [
        *(around(frame(0, {"content": each})["choices"], usage=USAGE) for each in cut(LONG)),
        *(around(ending()["choices"], usage=USAGE), COUNTED),
    ],
}


# Streams in which one frame becomes several, and what it told once goes with the first of them.
TOLD_ONCE = ("silent", "ids", "usage in each", "one frame")


def framed(frames: list[Json]) -> tuple[bytes, ...]:
    """The frames as the engine sends them, and its end."""
    return (*map(sse, frames), DONE)


def folded(frames: list[Json]) -> dict[int, Json]:
    """Each choice with all its pieces put together."""
    whole: dict[int, Json] = {}
    for each in (each for frame in frames for each in frame["choices"]):
        said = whole.setdefault(each["index"], {"calls": {}})
        for name, value in each["delta"].items():
            if isinstance(value, str) and name != "role":
                said[name] = said.get(name, "") + value
            said |= {name: value} if name == "role" and value else {}
        for call in each["delta"].get("tool_calls") or ():
            known = said["calls"].setdefault(call["index"], {"arguments": ""})
            known |= {name: call[name] for name in ("id", "type") if name in call}
            known |= {"name": call["function"]["name"]} if "name" in call["function"] else {}
            known["arguments"] += call["function"].get("arguments") or ""
        for name in ("finish_reason", "stop_reason", "matched_stop"):
            said |= {name: each[name]} if each.get(name) else {}
        said.setdefault("logprobs", []).extend((each.get("logprobs") or {}).get("content") or ())
        said.setdefault("token_ids", []).extend(each.get("token_ids") or ())
    return whole
