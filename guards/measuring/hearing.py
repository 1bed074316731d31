"""Each guard of a policy by itself on many rows: its raw scores, its failures, and how long it took."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from guards.hearing import covers
from guards.hindsight.again import some_of
from guards.measure import Scores
from guards.policy.load import GuardPolicy
from guards.policy.rule import Rule
from guards.scoring.rows import Row
from guards.screen import Screen
from guards.services import Services

AT_ONCE = 32
Told = Callable[[int], None]


@dataclass(slots=True)
class Heard:
    """What one guard said of each row: scores by hazard, NaN where it said nothing of the row at all."""

    rule: Rule
    scores: dict[str, Scores]
    mine: np.ndarray[tuple[int], np.dtype[np.bool_]]  # rows that it reads, and could judge
    failed: int = 0
    seconds: list[float] = field(default_factory=list)

    def score(self, hazards: Sequence[str] | None = None) -> Scores:
        """For each row the highest of these hazards' probabilities; of all that its rule names, if none is."""
        named = hazards if hazards is not None else self.counting
        chosen = [self.scores[hazard] for hazard in named if hazard in self.scores]
        made: Scores = np.max(chosen, axis=0) if chosen else np.zeros(len(self.mine))
        return made

    @property
    def counting(self) -> tuple[str, ...]:
        """The hazards from which something may follow."""
        return tuple(self.scores) if "*" in self.rule.hazards else tuple(self.rule.hazards)


def hear_all(
    policy: GuardPolicy, rows: Sequence[Row], names: Sequence[str], told: Told = lambda _: None
) -> list[Heard]:
    """What each of these guards says of each row that is its business; whoever asks whom does not matter here."""
    plans = [plan for plan in policy.plans if plan.rule.id in names]
    services = Services(policy.services.values())
    return [asyncio.run(services.during(hear_one(policy, plan.rule, rows, told))) for plan in plans]


async def hear_one(policy: GuardPolicy, rule: Rule, rows: Sequence[Row], told: Told) -> Heard:
    """One guard on all rows."""
    screen = Screen(some_of(policy, frozenset({rule.id})))
    heard = Heard(rule, {}, np.zeros(len(rows), dtype=bool))
    turn = asyncio.Semaphore(1 if screen.posts[0].computing is not None else AT_ONCE)

    async def one(place: int, row: Row) -> None:
        if not any(covers(rule, segment) for segment in row.segments):
            return
        async with turn:
            started = time.perf_counter()
            screening = await screen.screen(row.segments, row.context)
            heard.seconds.append(time.perf_counter() - started)
        told(place)
        if screening.failures:
            heard.failed += 1
            return
        heard.mine[place] = True
        for verdict in screening.verdicts:
            for hazard, score in verdict.scores.items():
                known = heard.scores.setdefault(hazard, np.zeros(len(rows)))
                known[place] = max(known[place], score)

    for start in range(0, len(rows), 1024):
        batch = enumerate(rows[start : start + 1024], start)
        await asyncio.gather(*(one(place, row) for place, row in batch))
    screen.threads.shutdown(wait=False)
    return heard


def percentile(seconds: Sequence[float], share: float) -> float:
    """The seconds that only so many rows exceed; NaN where there are none."""
    return float(np.quantile(seconds, share)) if seconds else math.nan
