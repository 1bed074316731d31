"""A rollout over simulated requests: pairing, tests and decisions are production's, and nothing waits for a clock."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from finetune.rollout.evidence import Evidence
from finetune.rollout.machine import Move, Standing, decide
from finetune.rollout.outcome import Outcome
from finetune.rollout.pairing import Waiting, pair
from finetune.rollout.plan import RolloutRules
from finetune.rollout.reading import updated

START = datetime(2026, 1, 1, tzinfo=UTC)
LOOK_EVERY, MOST_REQUESTS = (
    200,
    60_000,
)  # requests between two looks, and after which nothing more is waited for


@dataclass(frozen=True, slots=True)
class Seen:
    """What a gateway writes down of one answer."""

    flagged: bool = False
    refused: bool = False
    failed: bool = False
    words: int = 0
    reward: float | None = None


class Answering(Protocol):
    """Two versions of which each can be asked the same."""

    def ask(self, number: int, rng: random.Random) -> tuple[Seen, Seen]:
        """What the live version and the new one make of a request."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """How a rollout ended: where, why, after how many requests, and how many clients the new version answered."""

    state: str
    why: str
    requests: int
    answered: int

    @property
    def reason(self) -> str:
        """The metric that gave the alarm; nothing where there was none."""
        return self.why.partition(":")[0] if self.state == "rolled_back" else ""


def rolled_out(versions: Answering, rules: RolloutRules, seed: int, most: int = MOST_REQUESTS) -> Ended:
    """From the stage to its end; `waiting` where requests ran out before anything was proven."""
    rng, waiting, found = random.Random(f"rollout/{seed}"), Waiting(), dict[str, Evidence]()
    at, pairs, answered = Move("staged", 0.0, ""), 0, 0
    for start in range(0, most, LOOK_EVERY):
        while (move := decide(Standing(at.state, at.share, START, pairs), found, rules, START)) is not None:
            at, pairs = move, 0
            if move.ends:
                return Ended(move.state, move.why, start, answered)
        outcomes = [
            each
            for number in range(start, start + LOOK_EVERY)
            for each in outcomes_of(number, versions, at, rng)
        ]
        answered += sum(each.arm == "canary" for each in outcomes)
        made, waiting = pair(outcomes, waiting)
        found = dict(updated(found, made, rules))
        pairs += sum(each.new.arm == at.state for each in made)
    return Ended("waiting", "requests ran out", most, answered)


def outcomes_of(number: int, versions: Answering, at: Move, rng: random.Random) -> Sequence[Outcome]:
    """What is written down of one request: both answers where a shadow is shown it, else one."""
    old, new = versions.ask(number, rng)
    chosen = rng.random() < at.share
    if at.state == "shadow":
        told = [("stable", old), ("shadow", new)] if chosen else []
    else:
        told = [("canary", new)] if chosen else [("stable", old)]
    return [outcome(number, arm, seen) for arm, seen in told]


def outcome(number: int, arm: str, seen: Seen) -> Outcome:
    """As the ledger has it; each request is a conversation of its own."""
    return Outcome(
        seq=number,
        exchange_id=str(number),
        arm=arm,
        conversation=str(number),
        admitted_at=START + timedelta(milliseconds=number),
        flagged=seen.flagged,
        refused=seen.refused,
        failed=seen.failed,
        words=seen.words,
        reward=seen.reward,
    )
