"""A stream's deltas: known to hold nothing but what is heard of them, before anything is."""

from typing import Any

from gateway import media
from gateway.parts import OF_CALL, OF_FUNCTION, PART_OF_FIELD, Json, Unscannable, check_choice
from gateway.textless import textless

KIND_OF_FIELD = {"role": str, "tool_calls": list, "function_call": dict, "audio": dict, "images": list}


def delta_of(choice: Json) -> Json:
    """The delta of a stream's choice, known to hold only text and calls; raises Unscannable."""
    check_choice(choice)
    delta = choice.get("delta") or {}
    if not isinstance(delta, dict):
        raise Unscannable("delta")
    for name, value in delta.items():
        known = str if name in PART_OF_FIELD else KIND_OF_FIELD.get(name)
        if value and not (isinstance(value, known) if known else textless(value)):
            raise Unscannable(f"delta.{name}")
    if not all(map(media.kind_of, delta.get("images") or ())):
        raise Unscannable("delta.images")
    for call in delta.get("tool_calls") or ():
        _check_call(call)
    if delta.get("function_call"):
        _check_function(delta["function_call"])
    return delta


def _check_call(call: Any) -> None:
    if not isinstance(call, dict) or not all(
        key in OF_CALL or textless(value) for key, value in call.items()
    ):
        raise Unscannable("delta.tool_calls")
    if not isinstance(call.get("index", 0), int):
        raise Unscannable("delta.tool_calls.index")
    for kind in ("function", "custom"):
        if call.get(kind):
            _check_function(call[kind])


def _check_function(function: Any) -> None:
    if not isinstance(function, dict):
        raise Unscannable("delta.function")
    for field, text in function.items():
        if text and (field not in OF_FUNCTION or not isinstance(text, str)):
            raise Unscannable(f"delta.function.{field}")
