"""One chat completion as a client asked for it: checked, bounded, and given its id."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.alignment import Alignment, read_alignment
from gateway.callers import Caller
from gateway.engines.contract import Kind
from gateway.errors import BadRequest, Forbidden
from gateway.exchange import LONGEST_SUBJECT
from gateway.selection import Bounds, Selection, read_selection
from gateway.settings import GatewaySettings
from gateway.strategies import STRATEGIES
from gateway.strategies.adaptive import most
from gateway.strategies.contract import Knobs
from gateway.strength.caps import most_n

Body = Mapping[str, Any]
LONGEST_STREAM_SECONDS = 24 * 3600.0
# Fields that would carry text to the model past every guard.
REFUSED_FIELDS = ("chat_template", "documents", "chat_template_kwargs")
# What an answer that is put together from blocks of text cannot keep.
NOT_IN_BLOCKS = (
    "tools", "functions", "logprobs", "response_format", "continue_final_message", "structured_outputs", "guided_json",
    "guided_regex", "guided_choice", "guided_grammar", "echo", "min_tokens",
)  # fmt: skip
MOST_TOKENS = 1 << 30
# How engines hand work to each other: it names hosts that they connect to.
ENGINES_OWN = "kv_transfer_params"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client asked for; `body` is its own, `alignment` taken out."""

    id: str
    caller: Caller
    body: Body
    alias: str
    selection: Selection
    samples: int  # candidates to sample: the selection's, until load or risk changes them
    returned: int  # choices to return
    deadline_seconds: float
    explain: bool = False
    stream: bool = False
    include_usage: bool = False
    conversation: str | None = None
    kind: Kind = "chat"
    max_samples: int = 1  # candidates that its bounds allow
    deadline_asked: bool = False  # whether the client set the deadline

    @property
    def most_samples(self) -> int:
        """The most candidates that may come to be sampled for it."""
        if STRATEGIES[self.strategy].gathers == "waves":
            return most(self.samples, max(self.samples, self.max_samples))
        return self.samples if self.selection.fixed else max(self.samples, self.selection.most)

    @property
    def strategy(self) -> str:
        """How its candidates are sampled and chosen."""
        return self.selection.strategy

    @property
    def knobs(self) -> Knobs:
        """What it chose of its strategy."""
        return self.selection.knobs

    @property
    def subject(self) -> str | None:
        """OpenAI's `user` field."""
        return self.body.get("user") or None

    @property
    def learn(self) -> bool:
        """Whether what becomes of it may be learnt from: not where OpenAI's `store` is false."""
        return self.body.get("store") is not False


def read_ask(
    body: dict[str, Any],
    caller: Caller,
    conversation: str | None,
    bounds: Bounds,
    settings: GatewaySettings,
    kind: Kind = "chat",
) -> Ask:
    """Check and bound what a client sent; raises BadRequest or Forbidden naming the field."""
    alignment = read_alignment(body.pop("alignment", None))
    if alignment.explain and not bounds.may_explain:
        raise Forbidden("this key may not ask for explanations", param="alignment.explain")
    _check_fields(body)
    _check_messages(body["messages"], settings.limits.max_messages)
    returned = _integer(body, "n", 1, bounds.max_n)
    own_id = new_id()
    selection = read_selection(alignment, returned, bounds, settings, body["model"], own_id)
    _check_gathered(body, kind, returned, selection.strategy)
    live = bool(body.get("stream")) and speaks_at_once(selection.strategy)
    return Ask(
        id=own_id,
        caller=caller,
        body=body,
        alias=body["model"],
        selection=selection,
        samples=selection.samples,
        returned=returned,
        deadline_seconds=_deadline(alignment, bounds, settings, open_ended=live),
        explain=alignment.explain,
        stream=bool(body.get("stream")),
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        conversation=conversation,
        kind=kind,
        max_samples=min(
            bounds.max_n,
            most_n(settings.alignment.strength.get(body["model"]), selection.strategy) or bounds.max_n,
        ),
        deadline_asked=alignment.deadline_ms is not None,
    )


def speaks_at_once(strategy: str) -> bool:
    """Whether the beginning of a streamed answer may leave before the answer is whole."""
    return not STRATEGIES[strategy].ranks or STRATEGIES[strategy].gathers == "blocks"


def _check_gathered(body: Body, kind: Kind, returned: int, strategy: str) -> None:
    """Refuse what a way to gather candidates cannot keep, or cannot reckon with."""
    gathers = STRATEGIES[strategy].gathers
    if gathers == "blocks":
        _check_blockwise(body, kind, returned)
    if gathers in ("blocks", "rejection"):  # elsewhere the engine alone reckons with it
        for name in ("max_tokens", "max_completion_tokens"):
            _integer(body, name, 1, MOST_TOKENS)


def _check_blockwise(body: Body, kind: Kind, returned: int) -> None:
    """Refuse what cannot be chosen block by block: only one text is, and nothing that stands beside it."""
    if kind != "chat":
        raise BadRequest(
            "blockwise goes on with a conversation's last turn; ask for a chat completion",
            param="alignment.strategy",
        )
    if returned > 1:
        raise BadRequest("blockwise gives one choice; leave n out", param="n")
    for name in NOT_IN_BLOCKS:
        if body.get(name):
            raise BadRequest(
                f"{name} cannot be had with blockwise, which chooses among pieces of text", param=name
            )


def new_id() -> str:
    """An exchange id that sorts by time to the millisecond, and that nobody can guess."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


def _check_fields(body: Body) -> None:
    _of_type(body, "model", str, "the name of a model")
    _of_type(body, "messages", list, "a list of messages")
    _of_type(body, "stream", bool | None, "true or false")
    _of_type(body, "stream_options", dict | None, "an object")
    _of_type(body, "user", str | None, "a string")
    _of_type(body, "store", bool | None, "true or false")
    if len(body.get("user") or "") > LONGEST_SUBJECT:
        raise BadRequest(f"user may have at most {LONGEST_SUBJECT} characters", param="user")
    for name in REFUSED_FIELDS:
        if body.get(name) is not None:
            raise BadRequest(f"{name} would reach the model past the guards; send messages", param=name)
    if body.get(ENGINES_OWN) is not None:
        raise BadRequest(f"{ENGINES_OWN} is for engines among themselves", param=ENGINES_OWN)


def _check_messages(messages: list[Any], most: int) -> None:
    if not 1 <= len(messages) <= most:
        raise BadRequest(f"messages must hold 1 to {most} messages", param="messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequest("each message must be an object with a role", param=f"messages.{index}")


def _of_type(body: Body, name: str, kind: Any, what: str) -> None:
    if not isinstance(body.get(name), kind) or body.get(name) == "":
        raise BadRequest(f"{name} must be {what}", param=name)


def _integer(body: Body, name: str, default: int, most: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise BadRequest(f"{name} must be a whole number from 1 to {most}", param=name)
    return value


def _deadline(asked: Alignment, bounds: Bounds, settings: GatewaySettings, *, open_ended: bool) -> float:
    """Seconds for the whole request; a live stream may go on for as long as it does not stall."""
    if asked.deadline_ms is None:
        return LONGEST_STREAM_SECONDS if open_ended else settings.limits.request_timeout_seconds
    seconds = asked.deadline_ms / 1000
    if seconds > bounds.max_deadline_seconds:
        most = int(bounds.max_deadline_seconds * 1000)
        raise BadRequest(f"alignment.deadline_ms must be at most {most}", param="alignment.deadline_ms")
    return min(seconds, settings.limits.request_timeout_seconds)
