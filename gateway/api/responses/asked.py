"""A request of the Responses API as a chat completion's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.api.responses.options import chat_options
from gateway.api.responses.transcript import Transcript
from gateway.errors import BadRequest

Json = dict[str, Any]

# What is of this API alone, and never part of a chat completion's request under the same name.
OWN = frozenset(
    {
        *("input", "instructions", "previous_response_id", "store", "include", "text", "reasoning"),
        *("max_output_tokens", "truncation", "background", "conversation", "prompt", "stream_options"),
        *("max_tool_calls", "tools", "tool_choice", "top_logprobs"),
    }
)
REFUSED = {
    "background": "nothing is answered in the background here; ask for a stream",
    "conversation": "conversations are not kept here; go on from previous_response_id",
    "prompt": "there are no prompt templates here; send input and instructions",
    "messages": "a response has an input and no messages",
}


@dataclass(frozen=True, slots=True)
class Past:
    """What a request refers to and does not hold: items said before it, and items by their ids."""

    items: tuple[Json, ...] = ()
    by_id: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read: as its client sent it, and as a chat completion's."""

    request: Json
    chat: Json
    transcript: Transcript
    own: int  # where in the chat's messages those of this request begin

    @property
    def store(self) -> bool:
        """Whether the client may come back to the answer; so it is where nobody says otherwise."""
        return self.request.get("store") is not False

    @property
    def instructed(self) -> bool:
        """Whether the first message is the request's instructions."""
        return bool(self.request.get("instructions"))


def read_asked(body: Json, past: Past) -> Asked:
    """The request; raises BadRequest naming its field."""
    check(body)
    transcript = Transcript()
    if instructions := body.get("instructions"):
        transcript.add({"role": "system", "content": instructions}, "instructions")
    for item in past.items:
        transcript.hear(item, "previous_response_id")
    transcript.turn_over()
    own = len(transcript.messages)
    for name, item in items_in(body.get("input"), past.by_id):
        transcript.hear(item, name)
    options, names = chat_options(body)
    transcript.names.update(names)
    passed_on = {name: value for name, value in body.items() if name not in OWN}
    unlearnt = {"store": False} if body.get("store") is False else {}  # a chat's is off unless asked for
    return Asked(body, {**passed_on, **options, **unlearnt, "messages": transcript.messages}, transcript, own)


def check(body: Json) -> None:
    """Raise BadRequest for what cannot be honoured."""
    for name, why in REFUSED.items():
        if body.get(name):
            raise BadRequest(why, param=name, code="unsupported_parameter")
    if body.get("truncation") not in (None, "disabled"):
        raise BadRequest("an input is never truncated here; leave it out", param="truncation")
    if body.get("n") not in (None, 1):
        raise BadRequest("a response has one answer; alignment.n samples more to choose from", param="n")
    for name, kind, what in (
        ("instructions", str, "a string"),
        ("previous_response_id", str, "the id of a response"),
        ("store", bool, "true or false"),
        ("metadata", dict, "an object"),
        ("include", list, "a list"),
    ):
        if not isinstance(body.get(name), kind | None):
            raise BadRequest(f"{name} must be {what}", param=name)


def items_in(asked: Any, by_id: Mapping[str, Json]) -> Iterable[tuple[str, Any]]:
    """The items of an input with their names in the request; each reference as what it refers to."""
    if isinstance(asked, str):
        yield "input", {"role": "user", "content": asked}
        return
    if not isinstance(asked, list):
        raise BadRequest("input must be a text or a list of items", param="input")
    for number, item in enumerate(asked):
        name = f"input.{number}"
        if not is_reference(item):
            yield name, item
        elif (found := by_id.get(str(item.get("id")))) is not None:
            yield name, found
        else:
            raise BadRequest("there is no such item in any stored response", param=f"{name}.id")


def references_in(body: Json) -> list[str]:
    """The ids of the items that an input refers to."""
    asked = body.get("input")
    items = asked if isinstance(asked, list) else ()
    return [str(item.get("id")) for item in items if is_reference(item)]


def is_reference(item: Any) -> bool:
    """Whether an item stands for another one."""
    return isinstance(item, dict) and item.get("type") == "item_reference"
