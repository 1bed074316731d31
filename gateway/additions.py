"""What a policy adds to replies: its own words, at the end, in choices that are plain text for people."""

from typing import Any

from gateway.trip import Trip

Json = dict[str, Any]
BETWEEN = "\n\n"
# What makes a reply something for programs to read, in OpenAI's words and in vLLM's.
MACHINE_READ = ("structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar")


def addition_to(message: Json, trip: Trip) -> str:
    """What is to follow the message's content; nothing where it calls a tool, or is no text for people."""
    content = message.get("content")
    wanted = trip.screen.policy.document.additions
    if not wanted or not isinstance(content, str) or not content or message.get("tool_calls"):
        return ""
    if for_programs(trip.body):
        return ""
    return "".join(BETWEEN + one.text for one in wanted if one.wanted(content))


def for_programs(body: Any) -> bool:
    """Whether a request asks for something of a form that words at its end would break."""
    form = body.get("response_format")
    kind = form.get("type") if isinstance(form, dict) else None
    return kind not in {None, "text"} or any(body.get(name) for name in MACHINE_READ)


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
