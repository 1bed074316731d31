"""Writes outcomes down, and shows requests to shadows, beside the traffic: neither ever holds a request up.

When more comes than can be written or shown, some is left out and counted: both sides of a rollout lose alike.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import insert

from gateway.background import running, unbroken
from gateway.exchange import EMBEDDING
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.ledger.rollout_tables import OutcomeRow
from gateway.outcomes.mirror import mirrored
from gateway.outcomes.outcome import Outcome, answered
from gateway.outcomes.watched import CANARY, SHADOW, Watched
from gateway.scoring import Unscored, rewards_for
from gateway.tools import Tools
from gateway.trip import Trip

WRITE_SECONDS = 0.5
MOST_WAITING = 64  # requests that are to be shown to a shadow, or scored
MOST_KEPT = 10_000  # outcomes that wait for the database
AT_ONCE = 4  # requests that are shown to a shadow at a time
log = logging.getLogger(__name__)


class Outcomes:
    """The rollouts under way, and what was seen of them since it was written last."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._kept: list[Outcome] = []
        self._waiting: asyncio.Queue[tuple[Trip, Watched, str]] = asyncio.Queue(MOST_WAITING)
        self._owed = 0  # rewards of established answers that canaries' are to be held against

    @property
    def watched(self) -> Mapping[str, Watched]:
        """The aliases whose outcomes are wanted."""
        return self._tools.watching.current

    def offer(self, trip: Trip) -> None:
        """Take note of a request that has ended, where its alias has a rollout under way."""
        watched = self.watched.get(trip.ask.alias)
        if watched is None or trip.ask.strategy == EMBEDDING:
            return
        arm = watched.arm(trip.version)
        if watched.state == CANARY and arm is not None:
            self._answered(trip, watched, arm)
        elif arm == "stable" and watched.shows(trip.ask.id) and trip.error is None and trip.candidates:
            self._queued(trip, watched, SHADOW)

    def _answered(self, trip: Trip, watched: Watched, arm: str) -> None:
        outcome = answered(trip, watched, arm)
        if outcome is None:
            return
        self._owed = min(self._owed + 1, MOST_WAITING) if arm == CANARY else max(self._owed - 1, 0)
        wanted = arm == CANARY or self._owed > 0
        if outcome.reward is None and wanted and not (outcome.failed or trip.refused) and trip.delivered:
            self._queued(trip, watched, arm)
        else:
            self._keep(outcome)

    def _queued(self, trip: Trip, watched: Watched, arm: str) -> None:
        try:
            self._waiting.put_nowait((trip, watched, arm))
        except asyncio.QueueFull:
            if arm == SHADOW:
                self._tools.metrics.outcomes.labels(arm, "left out").inc()
            elif (outcome := answered(trip, watched, arm)) is not None:
                self._keep(outcome)  # without its reward: that decides nothing, and the rest counts

    def _keep(self, *outcomes: Outcome) -> None:
        for each in outcomes:
            fits = len(self._kept) < MOST_KEPT
            self._tools.metrics.outcomes.labels(each.arm, "kept" if fits else "left out").inc()
            if fits:
                self._kept.append(each)

    async def look_on(self) -> None:
        """Show requests to shadows and score what nobody scored, until cancelled."""
        while True:
            trip, watched, arm = await self._waiting.get()
            if arm == SHADOW:
                self._keep(*await mirrored(trip, watched, self._tools))
            elif (outcome := await self._scored(trip, watched, arm)) is not None:
                self._keep(outcome)

    async def _scored(self, trip: Trip, watched: Watched, arm: str) -> Outcome | None:
        outcome = answered(trip, watched, arm)
        if outcome is None or self._tools.rewards is None:
            return outcome
        reward: float | None
        try:
            reward = float((await rewards_for([trip.delivered[0]], trip, self._tools))[0])
        except Unscored:
            reward = None
        return Outcome(**{**outcome.row(), "reward": reward})

    async def write_all(self, database: Database) -> None:
        """Write down what was seen, twice a second, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await unbroken(self.write(database))

    async def write(self, database: Database) -> None:
        """Write down what was seen since the last time; while the database is away it is kept, up to a bound."""
        if not self._kept:
            return
        kept, self._kept = self._kept, []
        try:
            async with database.write() as connection:
                await connection.execute(insert(OutcomeRow), [each.row() for each in kept])
        except LedgerFailed:
            self._kept = [*kept, *self._kept][:MOST_KEPT]
            log.warning(
                "outcomes of a rollout wait: the ledger is away", extra={"fields": {"kept": len(kept)}}
            )


@asynccontextmanager
async def outcomes_of(tools: Tools, database: Database) -> AsyncIterator[Outcomes]:
    """Outcomes that are shown and written for as long as the block lasts."""
    outcomes = Outcomes(tools)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(outcomes.write, database)  # at last, when nobody sees anything any more
        enter = stack.enter_async_context
        tasks = [await enter(running(outcomes.look_on(), "shadow version")) for _ in range(AT_ONCE)]
        tasks.append(await enter(running(outcomes.write_all(database), "outcome writer")))
        for task in tasks:
            tools.vital[task.get_name()] = lambda: not any(each.done() for each in tasks)
        stack.callback(setattr, tools.watching, "recorder", None)
        tools.watching.recorder = outcomes.offer
        yield outcomes
