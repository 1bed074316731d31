"""What chooses where rewards were wanted and are not there: told wherever an answer's shortcomings are told. Pure."""

from gateway.strategies import STRATEGIES
from gateway.strategies.dial import missing
from gateway.trip import Trip

FIRST = "first safe candidate"
INSTEAD = {"self_certainty": "the surest candidate", "majority": "the answer of most"}


def without_rewards(trip: Trip, why: str, fallback: str) -> None:
    """Have the configured fallback choose, or the first safe candidate where that has nothing to go by."""
    if STRATEGIES[trip.ask.strategy].rewarded == "used":
        trip.degraded.append(f"reward: {why}; ties go to the first")
        return
    if fallback == "self_certainty" and all(each.certainty is None for each in trip.candidates):
        fallback = "first_safe"
    if fallback in INSTEAD:
        trip.instead = fallback
    trip.degraded.append(f"reward: {why}; {INSTEAD.get(fallback, FIRST)}")


def note_missing_heads(trip: Trip) -> None:
    """Say so where a dial weighs heads that the rewards came without: then the plain reward decides."""
    scored = [each for each in trip.candidates if each.safe and each.reward is not None]
    if trip.ask.knobs.dial and scored and (heads := missing(scored, trip.ask.knobs.dial)):
        mark = f"dial: heads are missing; no {', '.join(heads)}: the plain reward decides"
        trip.degraded += [] if mark in trip.degraded else [mark]
