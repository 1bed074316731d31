"""A row to be screened: a text, or a conversation whose last turn is judged with the turns before it.

{"id": "a", "text": "…", "direction": "prompt"}
{"id": "b", "text": "…", "direction": "reply", "asked": "…"}
{"id": "c", "messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}

Each may name the `tools` that the request let the model call, as a request does or by their names alone.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import orjson

from guards.verdict import PART_OF_DIRECTION, SIDE_OF_DIRECTION, Context, Direction, Segment

PART_OF_ROLE: Mapping[str, str] = {
    "user": "content",
    "system": "system",
    "developer": "system",
    "tool": "tool_result",
    "function": "tool_result",
}
REPLY_FIELDS: Mapping[str, str] = {
    "content": "content",
    "reasoning": "reasoning",
    "reasoning_content": "reasoning",
    "refusal": "refusal",
}


class BadRow(ValueError):
    """A row that cannot be read; `field` says where, the message what to do, and neither quotes the text."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.row_id: Any = None  # of the row, where it has one


@dataclass(frozen=True, slots=True)
class Row:
    """What is to be screened, and all that was said of it beside."""

    id: str | int | float
    segments: tuple[Segment, ...]
    context: Context
    told: Mapping[str, Any]  # the row as it was read: labels and languages stand there

    @property
    def direction(self) -> Direction:
        """The direction of what was said first."""
        return self.segments[0].direction


def read_row(line: bytes, number: int) -> Row:
    """The row of a line; raises BadRow. A row without an id is known by its line's number."""
    told = json_of(line)
    if not isinstance(told, dict):
        raise BadRow("line", "must be an object with text or messages")
    try:
        return row_of(told, number)
    except BadRow as error:
        error.row_id = None if error.field == "id" else told.get("id")
        raise


def json_of(line: bytes) -> Any:
    """The line's value; orjson is fast, and Python's own takes what orjson refuses: lone surrogates."""
    try:
        return orjson.loads(line)
    except ValueError:
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise BadRow("line", "is not JSON") from None


def row_of(told: Mapping[str, Any], number: int) -> Row:
    """The row of an object; raises BadRow."""
    row_id = told.get("id", number)
    if isinstance(row_id, bool) or not isinstance(row_id, str | int | float):
        raise BadRow("id", "must be a string or a number")
    if ("text" in told) == ("messages" in told):
        raise BadRow("text", "give either text or messages")
    segments, context = of_text(told) if "text" in told else of_messages(told)
    if told.get("tools") is not None:
        context = replace(context, tools=frozenset(tools_of(told["tools"])))
    return Row(row_id, segments, context, told)


def tools_of(tools: Any) -> Iterator[str]:
    """The names of tools: each is one, or the description of one in OpenAI's or Anthropic's form."""
    if not isinstance(tools, list):
        raise BadRow("tools", "must be a list of tools, or of their names")
    for index, tool in enumerate(tools):
        described = (tool.get("function") or tool.get("custom") or tool) if isinstance(tool, dict) else tool
        name = described.get("name") if isinstance(described, dict) else described
        if not isinstance(name, str) or not name:
            raise BadRow(f"tools.{index}", "must be a name, or an object with one")
        yield name


def of_text(told: Mapping[str, Any]) -> tuple[tuple[Segment, ...], Context]:
    """A text by itself; `asked` is the request that it answers."""
    text, asked = string(told, "text"), string(told, "asked") if told.get("asked") is not None else ""
    direction = direction_of(told) or "prompt"
    if asked and SIDE_OF_DIRECTION[direction] == "prompt":
        raise BadRow("asked", "is for replies, tool calls and reasoning: what they answer")
    part = PART_OF_DIRECTION[direction]
    turns = (("user", asked),) if asked else ()
    tool = string(told, "tool") if told.get("tool") is not None else ""
    if tool and direction != "tool_call":
        raise BadRow("tool", "is for tool calls: the name of what is called")
    named = (Segment(tool, "reply", "tool_name", tool),) if tool else ()
    return (*named, Segment(text, SIDE_OF_DIRECTION[direction], part, tool)), Context(turns)


def of_messages(told: Mapping[str, Any]) -> tuple[tuple[Segment, ...], Context]:
    """The last turn; a prompt's is a part of the conversation that guards see beside it, as in the gateway."""
    messages = told["messages"]
    if not isinstance(messages, list) or not messages:
        raise BadRow("messages", "must be a list of at least one message")
    turns = [turn_of(message, f"messages.{index}") for index, message in enumerate(messages)]
    last = messages[-1]
    place = f"messages.{len(messages) - 1}"
    if last["role"] == "assistant":
        segments, context = tuple(of_reply(last, place)), Context(tuple(turns[:-1]))
    else:
        part = PART_OF_ROLE.get(last["role"], "content")
        segments, context = (Segment(turns[-1][1], "prompt", part),), Context(tuple(turns))
    if not segments:
        raise BadRow(place, "the last message holds no text to screen")
    direction = direction_of(told)
    if direction is not None:
        segments = tuple(each for each in segments if direction in (each.where, each.direction))
        if not segments:
            raise BadRow("direction", f"the last message, a {last['role']}'s, holds no {direction}")
    return segments, context


def of_reply(message: Mapping[str, Any], place: str) -> Iterator[Segment]:
    """Every text of an assistant's message."""
    for field, part in REPLY_FIELDS.items():
        if message.get(field) is not None and (text := content_of(message[field], f"{place}.{field}")):
            yield Segment(text, "reply", part)
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise BadRow(f"{place}.tool_calls", "each needs a function with name and arguments")
        called = content_of(function.get("name") or "", f"{place}.tool_calls")
        for field, part in (("name", "tool_name"), ("arguments", "tool_arguments")):
            if function.get(field):
                yield Segment(content_of(function[field], f"{place}.tool_calls"), "reply", part, called)


def turn_of(message: Any, place: str) -> tuple[str, str]:
    """A message as (role, text)."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise BadRow(place, "must be an object with a role")
    content = message.get("content")
    return message["role"], "" if content is None else content_of(content, f"{place}.content")


def content_of(content: Any, place: str) -> str:
    """A content's text, whether it is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return "\n".join(part["text"] for part in content if isinstance(part.get("text"), str))
    raise BadRow(place, "must be a string or a list of parts with text")


def direction_of(told: Mapping[str, Any]) -> Direction | None:
    """The direction that a row names, if it names one."""
    named = told.get("direction")
    for direction in get_args(Direction):
        if named == direction:
            found: Direction = direction
            return found
    if named is None:
        return None
    raise BadRow("direction", f"must be one of {', '.join(get_args(Direction))}")


def string(told: Mapping[str, Any], field: str) -> str:
    """A field that must be a string."""
    value = told[field]
    if not isinstance(value, str):
        raise BadRow(field, "must be a string")
    return value
