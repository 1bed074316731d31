"""Log probabilities under guard: they leave only if nothing is found in what they spell beside the text."""

from collections.abc import Mapping
from typing import Any

from gateway.spelling import unread
from gateway.trip import Trip
from guards.verdict import Segment

WITHHELD = "log probabilities: withheld by the guard policy"


async def as_they_may_leave(logprobs: Any, said: str, trip: Trip) -> Any:
    """The log probabilities of a text, or None where guards find something in them."""
    return None if await spell_more(unread(logprobs, said), trip) else logprobs


async def spell_more(texts: Mapping[str, str], trip: Trip) -> bool:
    """Whether guards find anything in what they spell beside the text, which then is told in a header."""
    if not texts:
        return False
    segments = [Segment(text, "reply", "logprobs") for text in texts.values()]
    found = (await trip.screen.reply(segments, trip.context)).flagged
    if found and WITHHELD not in trip.degraded:
        trip.degraded.append(WITHHELD)
    return found
