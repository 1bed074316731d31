"""Items of the Responses API as a chat completion's messages, each with the name of what it came from.

What the assistant did in one go, reasoning, text and calls, is several items and one message.
"""

from dataclasses import dataclass, field
from typing import Any

from gateway.errors import BadRequest

Json = dict[str, Any]
# Fields of the request that have no parts to name.
WHOLE = ("input", "instructions", "previous_response_id")


@dataclass(slots=True)
class Transcript:
    """A conversation in the making; `names` leads from a message's field to the client's own."""

    messages: list[Json] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=lambda: {"messages": "input"})
    begun: int = 0  # how many messages an item may not go on: they were said in another request

    def add(self, message: Json, name: str) -> Json:
        """Write down a message."""
        self.names[f"messages.{len(self.messages)}"] = name
        self.messages.append(message)
        return message

    def hear(self, item: Any, name: str) -> None:
        """Write down what an item says; raises BadRequest for one that cannot be said to a chat."""
        kind = item.get("type", "message") if isinstance(item, dict) else type(item).__name__
        match kind:
            case "message":
                self._hear_message(item, name)
            case "function_call" if item.get("status") == "incomplete":
                pass  # it was cut off or refused, and so never made
            case "function_call":
                self._hear_call(item, name)
            case "function_call_output":
                self._hear_output(item, name)
            case "reasoning":
                self._hear_reasoning(item, name)
            case _:
                told = f"an item of type {str(kind)[:40]!r} cannot be passed on here"
                raise BadRequest(told, param=f"{name}.type", code="unsupported_content")

    def turn_over(self) -> None:
        """End the turn: whatever the assistant says next is a message of its own."""
        self.begun = len(self.messages)

    def _hear_message(self, item: Json, name: str) -> None:
        content = content_of(item.get("content"), f"{name}.content")
        role, last = item.get("role"), self._going_on()
        if role == "assistant" and last and last["content"] is None and "tool_calls" not in last:
            last["content"] = content
            self.names[f"{self._last}.content"] = f"{name}.content"
        else:
            self.add({"role": role, "content": content}, name)

    def _hear_call(self, item: Json, name: str) -> None:
        told = {part: _text(item.get(part), f"{name}.{part}") for part in ("name", "arguments", "call_id")}
        call_id = told.pop("call_id")
        message = self._going_on() or self.add({"role": "assistant", "content": None}, name)
        calls = message.setdefault("tool_calls", [])
        for place in ("", ".function"):
            self.names[f"{self._last}.tool_calls.{len(calls)}{place}"] = name
        calls.append({"id": call_id, "type": "function", "function": told})

    def _hear_output(self, item: Json, name: str) -> None:
        output = content_of(item.get("output"), f"{name}.output")
        call = _text(item.get("call_id"), f"{name}.call_id")
        self.add({"role": "tool", "tool_call_id": call, "content": output}, name)
        self.names[f"{self._last}.content"] = f"{name}.output"
        self.names[f"{self._last}.tool_call_id"] = f"{name}.call_id"

    def _hear_reasoning(self, item: Json, name: str) -> None:
        """A summary, or what was encrypted for somebody else, says nothing to a model."""
        content = item.get("content")
        parts = content if isinstance(content, list) else ()
        texts = [part.get("text") for part in parts if isinstance(part, dict)]
        if said := "".join(_text(text, f"{name}.content") for text in texts):
            self.add({"role": "assistant", "content": None, "reasoning": said}, name)
            self.names[f"{self._last}.reasoning"] = f"{name}.content"

    @property
    def _last(self) -> str:
        return f"messages.{len(self.messages) - 1}"

    def _going_on(self) -> Json | None:
        """The assistant's message that the next item may be a part of."""
        last = self.messages[-1] if len(self.messages) > self.begun else None
        return last if last is not None and last["role"] == "assistant" else None

    def field(self, param: str | None) -> str | None:
        """What the client called a field of the chat completion's request."""
        steps = param.split(".") if param else []
        for known in range(len(steps), 0, -1):
            if name := self.names.get(".".join(steps[:known])):
                return name if name in WHOLE else ".".join([name, *steps[known:]])
        return param


def content_of(content: Any, name: str) -> Any:
    """A content as a chat has it; a single text as a plain one, which every template takes."""
    if not isinstance(content, list):
        return content
    parts = [_part(part, f"{name}.{number}") for number, part in enumerate(content)]
    if len(parts) == 1 and isinstance(parts[0], dict) and parts[0].get("type") == "text":
        return _text(parts[0].get("text"), f"{name}.0.text")
    return parts


def _part(part: Any, name: str) -> Any:
    """A part that is known, as a chat has it; any other is left to the guards, who refuse it by its name."""
    match part:
        case {"type": "input_text" | "output_text", **rest}:
            return {"type": "text", "text": rest.get("text")}
        case {"type": "input_image", **rest}:
            url = _text(rest.get("image_url"), f"{name}.image_url")
            detail = {"detail": rest["detail"]} if rest.get("detail") else {}
            return {"type": "image_url", "image_url": {"url": url, **detail}}
        case {"type": "input_file", **rest}:
            return {"type": "file", "file": rest}
        case _:
            return part


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be a string", param=name)
    return value
