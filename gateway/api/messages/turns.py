"""Anthropic's conversation as a chat completion's: results of tools become messages of their own.

What a model thought in earlier turns is left out: its signature means nothing here, and templates of reasoning
models drop it as well.
"""

from typing import Any

import orjson

from gateway.api.messages.blocks import Content, Json, blocks_of, joined, part_of, string_in, text_part
from gateway.errors import BadRequest

THOUGHTS = frozenset({"thinking", "redacted_thinking"})
FAILED = "Error:"  # what tells the model that a tool failed, for which chat completions have no field


def turns_of(system: Any, messages: Any) -> list[Json]:
    """The system prompt and all messages; raises BadRequest naming the block that is wrong."""
    if not isinstance(messages, list):
        raise BadRequest("messages must be a list of messages", param="messages")
    turns = [{"role": "system", "content": _words(system, "system")}] if system else []
    for index, message in enumerate(messages):
        turns += _turns_of_message(message, f"messages.{index}")
    return turns


def _turns_of_message(message: Any, place: str) -> list[Json]:
    if not isinstance(message, dict):
        raise BadRequest("each message must be an object with role and content", param=place)
    content, there = message.get("content"), f"{place}.content"
    match message.get("role"):
        case "user":
            return _turns_of_user(content, there)
        case "assistant":
            return [_turn_of_assistant(content, there)]
        case "system":
            return [{"role": "system", "content": _words(content, there)}]
    raise BadRequest("a message's role is user, assistant or system", param=f"{place}.role")


def _words(content: Any, place: str) -> Content:
    return joined([text_part(block, there) for there, block in blocks_of(content, place)])


def _turns_of_user(content: Any, place: str) -> list[Json]:
    """Results first: a chat template wants them right after the calls that they answer."""
    results, said = [], []
    for there, block in blocks_of(content, place):
        if block["type"] == "tool_result":
            results.append(_result(block, there))
        else:
            said.append(part_of(block, there))
    return results if results and not said else [*results, {"role": "user", "content": joined(said)}]


def _result(block: Json, place: str) -> Json:
    within = blocks_of(block.get("content") or "", f"{place}.content")
    content = joined([part_of(each, there) for there, each in within])
    if block.get("is_error"):
        failed = {"type": "text", "text": FAILED}
        content = f"{FAILED} {content}" if isinstance(content, str) else [failed, *content]
    return {"role": "tool", "tool_call_id": string_in(block, "tool_use_id", place), "content": content}


def _turn_of_assistant(content: Any, place: str) -> Json:
    said, calls = [], []
    for there, block in blocks_of(content, place):
        if block["type"] == "tool_use":
            calls.append(_call(block, there))
        elif block["type"] not in THOUGHTS:
            said.append(text_part(block, there))
    if not calls:
        return {"role": "assistant", "content": joined(said)}
    return {"role": "assistant", "content": joined(said) if said else None, "tool_calls": calls}


def _call(block: Json, place: str) -> Json:
    if not isinstance(block.get("input"), dict):
        raise BadRequest("input must be an object", param=f"{place}.input")
    arguments = orjson.dumps(block["input"]).decode()
    function = {"name": string_in(block, "name", place), "arguments": arguments}
    return {"id": string_in(block, "id", place), "type": "function", "function": function}
