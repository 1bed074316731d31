"""What a policy adds to replies: its own words, at the end, in choices that are plain text for people."""

from typing import Any

import orjson

from gateway.trip import Trip

Json = dict[str, Any]
BETWEEN = "\n\n"


def addition_to(message: Json, trip: Trip) -> str:
    """What is to follow the message's content; nothing where it calls a tool, or is no text for people."""
    content = message.get("content")
    wanted = trip.screen.policy.document.additions
    if (
        not wanted
        or not isinstance(content, str)
        or not content
        or calls_a_tool(message)
        or for_programs(content)
    ):
        return ""
    return "".join(BETWEEN + one.text for one in wanted if one.wanted(content))


def calls_a_tool(message: Json) -> bool:
    """Whether its content only comes along with a call."""
    return bool(message.get("tool_calls") or message.get("function_call"))


def for_programs(content: str) -> bool:
    """Whether it is a JSON object or list, which words at its end would break; whatever the request asked for."""
    if content.lstrip()[:1] not in {"{", "["}:
        return False
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True


def with_additions(choices: list[Json], trip: Trip) -> list[Json]:
    """The choices, each that is no refusal with what the policy adds."""
    return [with_addition(choice, trip) for choice in choices]


def with_addition(choice: Json, trip: Trip) -> Json:
    """One choice with what the policy adds, noted in the receipt."""
    if choice["finish_reason"] == "content_filter" or not (added := addition_to(choice["message"], trip)):
        return choice
    trip.receipt.added(added)
    message = choice["message"]
    return {**choice, "message": {**message, "content": message["content"] + added}}
