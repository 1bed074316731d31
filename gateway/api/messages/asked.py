"""A request of the Messages API as a chat completion's; what it does not know goes on to the engine as it is."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.api.messages.blocks import Json
from gateway.api.messages.functions import choice_of, functions_of
from gateway.api.messages.turns import turns_of
from gateway.errors import BadRequest

# Account matters of Anthropic's own service.
DROPPED = frozenset({"service_tier", "cache_control"})


def chat_of(body: Json) -> Json:
    """The chat completion's request; raises BadRequest naming the client's own field."""
    _check(body)
    chat = {name: value for name, value in body.items() if name not in OWN}
    chat["messages"] = turns_of(body.get("system"), body.get("messages"))
    for name, read in READERS.items():
        if body.get(name) is not None:
            chat |= read(body[name])
    return chat | _going_on(chat["messages"])


def _check(body: Json) -> None:
    most = body.get("max_tokens")
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise BadRequest("max_tokens must be a whole number from 1", param="max_tokens")
    if body.get("n") not in (None, 1):
        raise BadRequest("a message is one answer; for the best of several use alignment.n", param="n")


def _going_on(turns: list[Json]) -> Json:
    """An answer that the client has begun is gone on with."""
    begun = turns and turns[-1]["role"] == "assistant" and turns[-1]["content"]
    return {"add_generation_prompt": False, "continue_final_message": True} if begun else {}


def _stops(sequences: Any) -> Json:
    if not isinstance(sequences, list) or not all(isinstance(each, str) for each in sequences):
        raise BadRequest("stop_sequences must be a list of strings", param="stop_sequences")
    return {"stop": sequences} if sequences else {}


def _owner(metadata: Any) -> Json:
    if not isinstance(metadata, dict):
        raise BadRequest("metadata must be an object", param="metadata")
    return {"user": metadata["user_id"]} if metadata.get("user_id") is not None else {}


def _thinking(wanted: Any) -> Json:
    """A budget is the engine's to keep. Whether a model thinks is its own way, which no other word changes."""
    match wanted:
        case {"type": "enabled", "budget_tokens": int(budget)}:
            return {"thinking_token_budget": budget}
        case {"type": "disabled" | "adaptive" | "between_tools"}:
            return {}
    raise BadRequest(
        "thinking must be of a known type; if it is enabled, with budget_tokens", param="thinking"
    )


def _output(wanted: Any) -> Json:
    """How hard to try, and in which format to answer."""
    if not isinstance(wanted, dict):
        raise BadRequest("output_config must be an object", param="output_config")
    effort, shape = wanted.get("effort"), wanted.get("format")
    asked = {"reasoning_effort": effort} if effort is not None else {}
    if shape is None:
        return asked
    if not isinstance(shape, dict) or not isinstance(shape.get("schema"), dict):
        raise BadRequest("format must have a JSON schema", param="output_config.format")
    named = {"name": "answer", "schema": shape["schema"], "strict": True}
    return {**asked, "response_format": {"type": "json_schema", "json_schema": named}}


READERS: Mapping[str, Callable[[Any], Json]] = {
    "stop_sequences": _stops,
    "tools": functions_of,
    "tool_choice": choice_of,
    "metadata": _owner,
    "thinking": _thinking,
    "output_config": _output,
}
OWN = DROPPED | READERS.keys() | {"system", "messages"}
