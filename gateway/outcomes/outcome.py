"""One request's outcome: whether it was flagged, refused or failed, how long its answer is, and its reward. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.exchange import Candidate
from gateway.outcomes.watched import Watched
from gateway.trip import Trip
from guards.refusal import RefusalJudge

JUDGE = RefusalJudge()
ENGINE_FAILURES = ("EngineFailed", "EngineUnavailable", "EngineTimedOut")


@dataclass(frozen=True, slots=True)
class Outcome:
    """As it is written down; no text of it is kept."""

    rollout_id: str
    exchange_id: str
    arm: str
    version: str
    conversation: str
    admitted_at: datetime
    flagged: bool = False
    refused: bool = False
    failed: bool = False
    words: int = 0
    reward: float | None = None

    def row(self) -> dict[str, Any]:
        """For the table."""
        return {name: getattr(self, name) for name in Outcome.__slots__}


def answered(trip: Trip, watched: Watched, arm: str) -> Outcome | None:
    """The outcome of a request that has ended; None where its end says nothing of the version that answered.

    A prompt that guards refuse, a client that leaves and a request that no engine takes would be so with any version.
    """
    if trip.prompt is None or trip.prompt.withheld or trip.affinity is None:
        return None
    if trip.error is not None:
        return of_trip(trip, watched, arm, failed=True) if version_failed(trip) else None
    if not trip.candidates:
        return None
    best = trip.chosen[0] if trip.chosen else trip.candidates[0]
    text = trip.delivered[0] if trip.delivered else best.text
    return of_trip(
        trip,
        watched,
        arm,
        flagged=any(is_flagged(each) for each in trip.candidates),
        refused=trip.refused or JUDGE.withholds(text),
        words=len(text.split()),
        reward=best.reward,
    )


def alone(trip: Trip, watched: Watched, arm: str, candidate: Candidate, reward: float | None) -> Outcome:
    """The outcome of one candidate by itself, as a shadow's and the one that it is held against are."""
    return of_trip(
        trip,
        watched,
        arm,
        flagged=is_flagged(candidate),
        refused=not candidate.safe or JUDGE.withholds(candidate.text),
        words=len(candidate.text.split()),
        reward=reward,
    )


def of_trip(trip: Trip, watched: Watched, arm: str, **found: Any) -> Outcome:
    """An outcome with what is known of its request."""
    return Outcome(
        rollout_id=watched.rollout,
        exchange_id=trip.ask.id,
        arm=arm,
        version=watched.baseline if arm == "stable" else watched.version,
        conversation=watched.conversation(str(trip.affinity)),
        admitted_at=datetime.now(UTC) - timedelta(seconds=trip.elapsed_seconds),
        **found,
    )


def is_flagged(candidate: Candidate) -> bool:
    """Whether a guard found something in it, or could not decide."""
    return candidate.screening is not None and candidate.screening.flagged


def version_failed(trip: Trip) -> bool:
    """Whether it was the engine that failed, and not the client, the gateway or the request itself."""
    return trip.error is not None and trip.error.startswith(ENGINE_FAILURES)
