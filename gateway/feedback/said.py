"""What somebody said of an exchange's answer, and what may be said. Pure."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gateway.errors import BadRequest
from gateway.exchange import Exchange

Kind = Literal["thumb", "edit", "overturn", "comparison"]
ANSWER = re.compile(
    r"^(chatcmpl-|cmpl-|msg_|resp_)"
)  # what answers' ids begin with, by the API that was asked


@dataclass(frozen=True, slots=True)
class Feedback:
    """One word of somebody's; no candidate means the answer that was delivered."""

    id: str
    exchange_id: str
    kind: str
    key_id: str  # of whoever said it
    role: str
    candidate: int | None = None  # a position among the exchange's candidates
    other: int | None = None  # in a comparison, the worse one
    value: float | None = None  # of a thumb: 1 or -1
    text: str | None = None
    subject: str | None = None
    created_at: datetime | None = None  # None before it is kept


def identity(exchange_id: str, kind: str, key_id: str, *places: int | None) -> str:
    """The id of a word: said again by the same key of the same answer, it replaces the first."""
    told = "\0".join((exchange_id, kind, key_id, *map(str, places)))
    return f"fb-{hashlib.sha256(told.encode()).hexdigest()[:24]}"


def exchange_named(told: str) -> str:
    """The exchange that is meant, by its own id or by that of an answer: clients have the latter at hand."""
    return ANSWER.sub("", told)


def place_of(exchange: Exchange, candidate: int | None) -> int | None:
    """The position that is meant: where none is named, that of the answer that was delivered, if one was."""
    return exchange.chosen if candidate is None else candidate


def earlier_id(exchange: Exchange, said: Feedback) -> str | None:
    """The id that older code gave the same word, where it was said of what was delivered without its position."""
    if said.kind not in ("thumb", "edit") or said.candidate is None or said.candidate != exchange.chosen:
        return None
    places = (None,) if said.kind == "thumb" else (None, None)
    return identity(exchange.id, said.kind, said.key_id, *places)


def check_candidate(exchange: Exchange, name: str, place: int | None) -> None:
    """Raise BadRequest where an exchange has no such candidate."""
    if place is not None and not 0 <= place < len(exchange.candidates):
        count = len(exchange.candidates)
        raise BadRequest(f"{name}: the exchange has {count} candidates, counted from 0", param=name)


def check_overturn(exchange: Exchange, place: int | None, text: str | None) -> None:
    """Raise BadRequest where nothing was withheld, or nothing is said to have been right in its place."""
    screenings = [exchange.prompt_screening, *(each.screening for each in exchange.candidates)]
    if not any(each is not None and each.withheld for each in screenings):
        raise BadRequest("exchange: no guard withheld anything of it", param="exchange")
    if place is not None:
        screening = exchange.candidates[place].screening
        if screening is None or not screening.withheld:
            raise BadRequest("candidate: no guard withheld this one", param="candidate")
    elif not text:
        raise BadRequest(
            "candidate: name the one that was right, or bring the text that is", param="candidate"
        )
