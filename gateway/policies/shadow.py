"""A policy that only looks on: it judges the same traffic once that has been answered, and nothing follows from it.

What it would have done otherwise is kept apart from exchanges, without any text; it never becomes a pair. Requests are
judged in the order in which they were answered; when more come than can be judged, some are left out and counted.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway import media, parts
from gateway.background import running, unbroken
from gateway.errors import ApiError
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.ledger.policy_tables import ShadowCountRow, ShadowRow
from gateway.metrics import Metrics
from gateway.screens import Screener
from gateway.trip import Trip
from guards.verdict import Screening

Json = dict[str, Any]
PROMPT = -1
MOST_WAITING = 256  # requests that were answered and are not judged yet
MOST_ROWS = 1000  # that wait for the database
MOST_KEPT = 100_000  # of one policy
WRITE_SECONDS = 1.0
LATEST = 50
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Judged:
    """What a shadow made of traffic since it was written last."""

    rows: list[Json] = field(default_factory=list)
    counts: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)

    def add(self, trip: Trip, shadow: Screener, candidate: int, acted: Screening, would: Screening) -> None:
        """One text: counted, and kept where the two policies differ."""
        did, other = acted.action.word, would.action.word
        side = "prompt" if candidate == PROMPT else "reply"
        self.counts[shadow.policy.hash, side, did, other] += 1
        if did == other or len(self.rows) >= MOST_ROWS:
            return
        scores = {one.guard: dict(one.scores) for one in would.verdicts if one.scores}
        self.rows.append(
            {
                "exchange_id": trip.ask.id,
                "policy": shadow.policy.hash,
                "beside": trip.screen.policy.hash,
                "candidate": candidate,
                "acted": did,
                "would": other,
                "hazards": list(would.hazards),
                "scores": scores,
                "created_at": datetime.now(UTC),
            }
        )


class Shadows:
    """Judges answered requests by the shadow policy of their moment, one after the other."""

    def __init__(self, metrics: Metrics, most: int = MOST_WAITING) -> None:
        self._metrics = metrics
        self._waiting: asyncio.Queue[tuple[Trip, Screener]] = asyncio.Queue(most)
        self._judged = Judged()
        self.tasks: tuple[asyncio.Task[None], ...] = ()

    @property
    def alive(self) -> bool:
        """Whether it still judges and writes."""
        return not any(task.done() for task in self.tasks)

    def offer(self, trip: Trip, shadow: Screener) -> None:
        """Have a request judged that has been answered; it is left out where too many wait."""
        try:
            self._waiting.put_nowait((trip, shadow))
        except asyncio.QueueFull:
            self._metrics.shadow.labels("prompt", "unjudged", "unjudged").inc()

    async def judge_all(self) -> None:
        """Judge whoever comes, until cancelled."""
        while True:
            trip, shadow = await self._waiting.get()
            try:
                await self.judge(trip, shadow)
            except (ApiError, parts.Unscannable):
                log.warning("a shadow policy could not judge a request")

    async def judge(self, trip: Trip, shadow: Screener) -> None:
        """Every text that the acting policy judged, judged by the shadow."""
        for candidate, acted, segments, unread in judged_in(trip):
            ask = shadow.prompt if candidate == PROMPT else shadow.reply
            would = await ask(segments, trip.context, unread)
            self._judged.add(trip, shadow, candidate, acted, would)
            words = ("prompt" if candidate == PROMPT else "reply", acted.action.word, would.action.word)
            self._metrics.shadow.labels(*words).inc()

    async def write_all(self, database: Database) -> None:
        """Write down what was judged, once a second, until cancelled; what the database does not take is lost."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await unbroken(self.write(database))

    async def write(self, database: Database) -> None:
        """Write down what was judged since the last time."""
        judged, self._judged = self._judged, Judged()
        if not judged.counts:
            return
        try:
            async with database.write() as connection:
                if judged.rows:
                    await connection.execute(insert(ShadowRow), judged.rows)
                    await forget_old(connection, {row["policy"] for row in judged.rows})
                for counted, texts in judged.counts.items():
                    await add_to(connection, counted, texts)
        except LedgerFailed:
            log.warning(
                "what a shadow policy made of %d texts was lost: the ledger is away", judged.counts.total()
            )


def judged_in(trip: Trip) -> Iterator[tuple[int, Screening, list[Any], dict[str, int]]]:
    """The texts that the acting policy judged, as they came: the prompt's as the client sent them."""
    if trip.prompt is not None:
        found = parts.of_prompt(trip.ask.body)
        yield PROMPT, trip.prompt, [part.segment for part in found], dict(trip.prompt.unscanned)
    for position, candidate in enumerate(trip.candidates):
        if candidate.screening is not None:
            found = parts.of_reply(candidate.message)
            unread = dict(media.unread_in_reply(candidate.message))
            yield position, candidate.screening, [part.segment for part in found], unread


async def forget_old(connection: AsyncConnection, policies: set[str]) -> None:
    """Keep the latest judgements of each policy; the counts tell of all."""
    for policy in policies:
        mine = ShadowRow.policy == policy
        oldest = select(ShadowRow.id).where(mine).order_by(ShadowRow.id.desc()).offset(MOST_KEPT).limit(1)
        if (last := (await connection.execute(oldest)).scalar()) is not None:
            await connection.execute(delete(ShadowRow).where(mine, ShadowRow.id <= last))


async def add_to(connection: AsyncConnection, counted: tuple[str, str, str, str], texts: int) -> None:
    """Add to a count; whoever writes to the ledger does so alone."""
    policy, side, acted, would = counted
    key = {"policy": policy, "side": side, "acted": acted, "would": would}
    mine = [getattr(ShadowCountRow, name) == value for name, value in key.items()]
    more = update(ShadowCountRow).where(*mine).values(texts=ShadowCountRow.texts + texts)
    if not (await connection.execute(more)).rowcount:
        await connection.execute(insert(ShadowCountRow).values(**key, texts=texts))


async def compared(database: Database, policy: str) -> Json:
    """How a shadow's judgements compare with what was done: counts, and the latest that differ."""
    counts = select(ShadowCountRow.side, ShadowCountRow.acted, ShadowCountRow.would, ShadowCountRow.texts)
    columns = [column for column in ShadowRow.__table__.columns if column.name != "policy"]
    latest = select(*columns).where(ShadowRow.policy == policy).order_by(ShadowRow.id.desc()).limit(LATEST)
    async with database.read() as connection:
        rows = await connection.execute(counts.where(ShadowCountRow.policy == policy))
        told = [dict(row) for row in rows.mappings()]
        differing = [dict(row) for row in (await connection.execute(latest)).mappings()]
    return {"counts": told, "differing": differing}


@asynccontextmanager
async def shadowing(metrics: Metrics, database: Database) -> AsyncIterator[Shadows]:
    """Shadows that judge and are written down for as long as the block lasts."""
    shadows = Shadows(metrics)
    try:
        async with (
            running(shadows.judge_all(), "shadow judge") as judging,
            running(shadows.write_all(database), "shadow writer") as writing,
        ):
            shadows.tasks = (judging, writing)
            yield shadows
    finally:
        await shadows.write(database)
