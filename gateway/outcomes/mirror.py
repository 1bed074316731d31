"""A copy of a request for a version that only looks on: sampled once, screened and scored, and never delivered."""

from dataclasses import replace
from typing import Any

from gateway import parts
from gateway.clock import Limit
from gateway.engines.contract import EngineFailed
from gateway.errors import ApiError
from gateway.exchange import Candidate
from gateway.outcomes.outcome import Outcome, alone, of_trip
from gateway.outcomes.watched import SHADOW, Watched
from gateway.sampling import candidates_in
from gateway.scoring import Unscored, rewards_for, text_to_score
from gateway.screening import screened
from gateway.tools import Tools
from gateway.trip import Trip

LONGEST_SECONDS = 120.0
STREAMED = ("stream", "stream_options", "n")


async def mirrored(trip: Trip, watched: Watched, tools: Tools) -> list[Outcome]:
    """What both versions made of one request, each by a single answer; nothing where neither can be said.

    The established version's is the first that was sampled for the client, whatever was then chosen.
    """
    first = next((each for each in trip.candidates if each.screening is not None), None)
    model = tools.router.current.models.get(watched.version)
    if first is None or model is None:
        return []
    copy = copied(trip)
    try:
        new = await sampled(copy, model, tools)
    except (EngineFailed, TimeoutError):
        return [
            alone(trip, watched, "stable", first, None),
            of_trip(trip, watched, SHADOW, failed=True),
        ]
    except (ApiError, parts.Unscannable):
        return []
    before, after = await scored(copy, first, new, tools)
    return [alone(trip, watched, "stable", first, before), alone(trip, watched, SHADOW, new, after)]


def copied(trip: Trip) -> Trip:
    """A trip of its own with the same prompt, as it was after redaction; the client's own is over."""
    ask = replace(trip.ask, samples=1, returned=1, stream=False, deadline_seconds=LONGEST_SECONDS)
    copy = Trip(ask, trip.screen, trip.body)
    copy.context, copy.prompt, copy.affinity = trip.context, trip.prompt, trip.affinity
    return copy


async def sampled(trip: Trip, model: str, tools: Tools) -> Candidate:
    """One answer of the version, read by the guards; raises EngineFailed, TimeoutError, ApiError or Unscannable."""
    body: dict[str, Any] = {
        name: value for name, value in trip.body.items() if name not in (*STREAMED, "request_id")
    }
    with Limit(LONGEST_SECONDS):
        completion = await tools.engine.complete({**body, "model": model}, trip.ask.kind, trip.affinity)
    return await screened(candidates_in(completion, 1)[0], trip)


async def scored(
    trip: Trip, old: Candidate, new: Candidate, tools: Tools
) -> tuple[float | None, float | None]:
    """The rewards of both in one question; without a reward server, or where one may not be shown, none."""
    if tools.rewards is None or not (old.safe and new.safe):
        return None, None
    try:
        before, after = await rewards_for([text_to_score(old), text_to_score(new)], trip, tools)
    except Unscored:
        return None, None
    return float(before), float(after)
