"""Anthropic's tools, and how they are to be chosen, as a chat completion's functions."""

from typing import Any

from gateway.api.messages.blocks import Json, string_in
from gateway.errors import BadRequest

CHOICES = {"auto": "auto", "any": "required", "none": "none"}
# Hints to Anthropic's own cache, callers and streaming, without which a tool is the same.
HINTS = frozenset({"cache_control", "eager_input_streaming", "defer_loading", "allowed_callers", "type"})


def functions_of(tools: Any) -> Json:
    """The field with a function for each tool; raises BadRequest for tools that Anthropic runs or knows."""
    if not isinstance(tools, list):
        raise BadRequest("tools must be a list of tools", param="tools")
    return {"tools": [_function(tool, f"tools.{index}") for index, tool in enumerate(tools)]}


def choice_of(choice: Any) -> Json:
    """The fields that say which function may be called, and whether several at once; raises BadRequest."""
    match choice:
        case {"type": "tool", "name": str(name)}:
            chosen: Any = {"type": "function", "function": {"name": name}}
        case {"type": str(kind)} if kind in CHOICES:
            chosen = CHOICES[kind]
        case _:
            told = "tool_choice must be of type auto, any or none, or of type tool with a name"
            raise BadRequest(told, param="tool_choice")
    asked = {"tool_choice": chosen}
    return {**asked, "parallel_tool_calls": False} if choice.get("disable_parallel_tool_use") else asked


def _function(tool: Any, place: str) -> Json:
    if not isinstance(tool, dict):
        raise BadRequest("each tool must be an object", param=place)
    if tool.get("type") not in (None, "custom"):
        told = "no tools are run or known here; describe your own with name, description and input_schema"
        raise BadRequest(told, param=f"{place}.type", code="unsupported_tool")
    if not isinstance(tool.get("input_schema"), dict):
        raise BadRequest("input_schema must be a JSON schema", param=f"{place}.input_schema")
    string_in(tool, "name", place)
    rest = {name: value for name, value in tool.items() if name not in HINTS and name != "input_schema"}
    return {"type": "function", "function": {**rest, "parameters": tool["input_schema"]}}
