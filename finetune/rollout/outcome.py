"""How one request went, and how two that belong together differ: what the tests of a rollout bet on. Pure."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request while a rollout was under way."""

    seq: int
    exchange_id: str
    arm: str  # stable, canary or shadow
    conversation: str
    admitted_at: datetime
    flagged: bool
    refused: bool
    failed: bool
    words: int
    reward: float | None


@dataclass(frozen=True, slots=True)
class Paired:
    """What the established version made of a request, and the new one of the same or of one like it."""

    stable: Outcome
    new: Outcome


TIE = 1e-6  # rewards closer than this are equal


def flagged(pair: Paired) -> float:
    """1 where only the new version was flagged, -1 where only the old one; a failed request was not read at all."""
    return float(pair.new.flagged) - float(pair.stable.flagged)


def failed(pair: Paired) -> float:
    """1 where only the new version failed to answer."""
    return float(pair.new.failed) - float(pair.stable.failed)


def refused(pair: Paired) -> float:
    """1 where only the new version refused, by its own words or since nothing of it might be delivered."""
    if pair.new.failed or pair.stable.failed:
        return 0.0
    return float(pair.new.refused) - float(pair.stable.refused)


def unrewarded(pair: Paired) -> float:
    """1 where the old version's answer had the higher reward; a missing reward decides nothing."""
    new, old = pair.new.reward, pair.stable.reward
    if new is None or old is None or abs(new - old) < TIE:
        return 0.0
    return 1.0 if new < old else -1.0


def longer(pair: Paired) -> float:
    """How much longer the new answer is: 1 is e times as long, or more; refusals and failures decide nothing."""
    if pair.new.failed or pair.stable.failed or pair.new.refused or pair.stable.refused:
        return 0.0
    return max(-1.0, min(1.0, math.log((pair.new.words + 8) / (pair.stable.words + 8))))


def shorter(pair: Paired) -> float:
    """How much shorter the new answer is, likewise."""
    return -longer(pair)


METRICS: Mapping[str, Callable[[Paired], float]] = {
    "flagged": flagged,
    "failed": failed,
    "refused": refused,
    "reward": unrewarded,
    "longer": longer,
    "shorter": shorter,
}
