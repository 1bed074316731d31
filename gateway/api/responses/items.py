"""Messages of a chat completion as items of the Responses API, and where such an item is kept.

An item's id names the exchange that it belongs to, so that a reference to it needs no index.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]

PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
}
# Fields of an assistant's message that are a part of an item's content.
PART_OF_FIELD = {
    "reasoning": "reasoning_text",
    "reasoning_content": "reasoning_text",
    "content": "output_text",
    "refusal": "refusal",
}


def response_id(exchange_id: str) -> str:
    """What clients call the answer of an exchange."""
    return f"resp_{exchange_id}"


def response_of_item(item_id: str) -> str | None:
    """The response that an item belongs to; None for an id that is none of ours."""
    pieces = item_id.split("_")
    return response_id(pieces[1]) if len(pieces) == 3 else None


def item_id(kind: str, exchange_id: str, number: int | str) -> str:
    """The id of an item; `number` counts those of its kind."""
    return f"{PREFIXES[kind]}_{exchange_id}_{number}"


def named(items: Iterable[Json], exchange_id: str, mark: str = "") -> list[Json]:
    """The items with their ids; `mark` sets those of the input apart from those of the output."""
    counts: Counter[str] = Counter()
    found = []
    for item in items:
        kind = item["type"]
        found.append({"id": item_id(kind, exchange_id, f"{mark}{counts[kind]}"), **item})
        counts[kind] += 1
    return found


def input_of(messages: Iterable[Mapping[str, Any]]) -> Iterator[Json]:
    """The items that messages of a request were, or could have been, made from."""
    for message in messages:
        if message["role"] == "assistant":
            yield from output_of(message)
        elif message["role"] == "tool":
            output = input_parts(message.get("content"), as_text=True)
            call = message.get("tool_call_id")
            yield {"type": "function_call_output", "call_id": call, "output": output, "status": "completed"}
        else:
            content = input_parts(message.get("content"))
            yield {"type": "message", "role": message["role"], "content": content, "status": "completed"}


def input_parts(content: Any, *, as_text: bool = False) -> Any:
    """A message's content as parts of an input; a plain text stays one where that is wanted."""
    if isinstance(content, list):
        return [_input_part(part) for part in content]
    return content if as_text else [{"type": "input_text", "text": content or ""}]


def _input_part(part: Any) -> Any:
    match part:
        case {"type": "text", "text": text}:
            return {"type": "input_text", "text": text}
        case {"type": "image_url", "image_url": {"url": url, **rest}}:
            return {"type": "input_image", "image_url": url, "detail": rest.get("detail", "auto")}
        case {"type": "file", "file": dict(file)}:
            return {"type": "input_file", **file}
        case _:
            return part


def output_of(message: Mapping[str, Any], logprobs: Any = None) -> Iterator[Json]:
    """What an assistant's message says: its reasoning, its text, its calls."""
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    calls = list(_calls(message))
    if reasoning:
        content = [{"type": "reasoning_text", "text": reasoning}]
        yield {"type": "reasoning", "summary": [], "content": content, "status": "completed"}
    content = list(_said(message, logprobs))
    if content or not calls:
        content = content or [output_part("output_text")]
        yield {"type": "message", "role": "assistant", "content": content, "status": "completed"}
    yield from calls


def _said(message: Mapping[str, Any], logprobs: Any) -> Iterator[Json]:
    content = message.get("content")
    for part in content if isinstance(content, list) else [{"text": content}]:
        if text := part.get("text"):
            yield output_part("output_text", text, logprobs)
        if refusal := part.get("refusal"):
            yield output_part("refusal", refusal)
    if refusal := message.get("refusal"):
        yield output_part("refusal", refusal)


def output_part(kind: str, text: str = "", logprobs: Any = None) -> Json:
    """A part of an item that the assistant says."""
    if kind == "output_text":
        return {"type": kind, "text": text, "annotations": [], "logprobs": logprobs or []}
    return {"type": kind, "refusal" if kind == "refusal" else "text": text}


def _calls(message: Mapping[str, Any]) -> Iterator[Json]:
    """The functions that a message calls; a call in the legacy field has no id but its function's name."""
    yield from map(call_item, message.get("tool_calls") or ())
    if legacy := message.get("function_call"):
        yield call_item({"id": legacy.get("name"), "function": legacy})


def call_item(call: Mapping[str, Any]) -> Json:
    """A call as an item."""
    function = call.get("function") or {}
    return {
        "type": "function_call",
        "call_id": call.get("id") or "",
        "name": function.get("name") or "",
        "arguments": function.get("arguments") or "",
        "status": "completed",
    }
