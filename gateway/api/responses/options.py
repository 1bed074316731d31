"""What a request of the Responses API asks for beside its text, as a chat completion's fields, and back."""

from collections.abc import Mapping
from typing import Any

from gateway.errors import BadRequest

Json = dict[str, Any]
LOGPROBS = "message.output_text.logprobs"
# From a chat completion's field to the client's own.
NAMES = {
    "response_format": "text.format",
    "response_format.json_schema": "text.format",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
    "max_completion_tokens": "max_output_tokens",
    "tool_choice.function": "tool_choice",
    "logprobs": "include",
}


def chat_options(body: Json) -> tuple[Json, dict[str, str]]:
    """The fields for the chat completion, and what the client calls them; raises BadRequest."""
    for name, ours in NAMES.items():
        if body.get(name) is not None:
            raise BadRequest(f"{name} is called {ours} here", param=name, code="unsupported_parameter")
    tools = _tools(body.get("tools"))
    text, reasoning = _object(body, "text"), _object(body, "reasoning")
    options = {
        "tools": tools or None,
        "tool_choice": _tool_choice(body.get("tool_choice")),
        "response_format": _response_format(text.get("format")),
        "verbosity": text.get("verbosity"),
        "reasoning_effort": reasoning.get("effort"),
        "max_completion_tokens": body.get("max_output_tokens"),
        "top_logprobs": body.get("top_logprobs"),
        "logprobs": LOGPROBS in (body.get("include") or ()) or bool(body.get("top_logprobs")) or None,
    }
    names = NAMES | {f"tools.{number}.function": f"tools.{number}" for number in range(len(tools))}
    return {name: value for name, value in options.items() if value is not None}, names


def _object(body: Json, name: str) -> Json:
    value = body.get(name)
    if not isinstance(value, dict | None):
        raise BadRequest(f"{name} must be an object", param=name)
    return value or {}


def _tools(tools: Any) -> list[Json]:
    if not isinstance(tools, list | None):
        raise BadRequest("tools must be a list", param="tools")
    return [_tool(tool, f"tools.{number}") for number, tool in enumerate(tools or ())]


def _tool(tool: Any, name: str) -> Json:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise BadRequest(
            "only tools of type function can be offered here: no other is run by this gateway",
            param=f"{name}.type",
            code="unsupported_tool",
        )
    if not isinstance(tool.get("name"), str):
        raise BadRequest("a function needs a name", param=f"{name}.name")
    return {"type": "function", "function": _rest(tool)}


def _tool_choice(choice: Any) -> Any:
    match choice:
        case None | str():
            return choice
        case {"type": "function", "name": str(name)}:
            return {"type": "function", "function": {"name": name}}
        case {"type": "function"}:
            raise BadRequest("a function is chosen by its name", param="tool_choice.name")
        case _:
            raise BadRequest("only a function can be chosen", param="tool_choice.type")


def _response_format(asked: Any) -> Json | None:
    match asked:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {"type": "json_object"}
        case {"type": "json_schema"}:
            return {"type": "json_schema", "json_schema": _rest(asked)}
        case _:
            told = "text.format must be of type text, json_schema or json_object"
            raise BadRequest(told, param="text.format.type")


def _rest(typed: Json) -> Json:
    return {name: value for name, value in typed.items() if name != "type" and value is not None}


def asked_options(chat: Mapping[str, Any]) -> Json:
    """The same options as a response repeats them: as the guards let them pass."""
    found = chat.get("response_format") or {"type": "text"}
    text = {"format": {"type": found["type"], **found.get("json_schema", {})}}
    if chat.get("verbosity"):
        text["verbosity"] = chat["verbosity"]
    choice = chat.get("tool_choice", "auto")
    return {
        "text": text,
        "tools": [{"type": "function", **tool["function"]} for tool in chat.get("tools", ())],
        "tool_choice": choice if isinstance(choice, str) else {"type": "function", **choice["function"]},
        "reasoning": {"effort": chat.get("reasoning_effort"), "summary": None},
        "max_output_tokens": chat.get("max_completion_tokens"),
        "top_logprobs": chat.get("top_logprobs") or 0,
        "parallel_tool_calls": chat.get("parallel_tool_calls") is not False,
        "temperature": chat.get("temperature"),
        "top_p": chat.get("top_p"),
    }
