"""The ledger of a running gateway: journal, writer and database, opened and closed together."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from gateway.exchange import Exchange
from gateway.ledger import document
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.journal import LIMIT_BYTES, Journal
from gateway.ledger.letters import DeadLetters
from gateway.ledger.privacy import scrubbed
from gateway.ledger.writer import Writer

log = logging.getLogger(__name__)
# How long a closing gateway waits for the database; flagged exchanges outlive the wait in the journal.
DRAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LedgerHealth:
    """How the ledger is; `journal` and `database` say what is wrong, and are None when nothing is.

    `pending` exchanges wait for the database, in the journal or in memory.
    """

    writer_alive: bool
    journal: str | None
    database: str | None
    behind: bool
    journal_failures: int
    database_failures: int
    pending: int
    journal_bytes: int
    journal_limit_bytes: int
    recorded_flagged: int
    recorded_sampled: int
    stored: int
    dropped: int
    damaged: int
    dead_letters: int

    @property
    def healthy(self) -> bool:
        """Whether flagged exchanges can be kept, and reach the database."""
        return self.writer_alive and self.journal is None and self.database is None


class Ledger:
    """Remembers exchanges: a Recorder, and the database that everything else about them is asked of."""

    def __init__(self, database: Database, journal: Journal, *, sample_rate: float = 1.0) -> None:
        self.database = database
        self._journal = journal
        self._intake = Intake(database)
        self._writer = Writer(self._intake, journal)
        self._sample_rate = sample_rate
        self._task: asyncio.Task[None] | None = None
        self._replaying: asyncio.Task[None] | None = None
        self._keeping: set[asyncio.Task[None]] = set()
        self._recorded_flagged = 0
        self._recorded_sampled = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, journal: Path, *, sample_rate: float = 1.0, journal_limit_bytes: int = LIMIT_BYTES
    ) -> "AsyncIterator[Ledger]":
        """The ledger, for as long as the block lasts; what an earlier process left behind is stored."""
        async with Database(url) as database:
            kept = Journal(journal, limit_bytes=journal_limit_bytes)
            ledger = cls(database, kept, sample_rate=sample_rate)
            await ledger.start()
            try:
                yield ledger
            finally:
                await ledger.close()

    async def start(self) -> None:
        """Take the journal and begin to store; the tables may by now take what they once refused, too."""
        await self._journal.open()
        self._task = asyncio.create_task(self._writer.run(), name="ledger writer")
        self._task.add_done_callback(_say_death)
        letters = DeadLetters(self.database)
        self._replaying = asyncio.create_task(letters.replay_once(), name="dead letters")

    async def record(self, exchange: Exchange) -> None:
        """Remember an exchange; raises LedgerFull when a flagged one cannot be made durable.

        What has begun is brought to its end though the caller is cancelled: a client may have read all of the
        text that was flagged, and hang up while the disk is still at work. What its client wanted neither stored nor
        learnt from is kept where it was flagged, and only there.
        """
        if exchange.flagged:
            keeping = asyncio.create_task(self._keep(exchange), name="flagged exchange")
            self._keeping.add(keeping)
            keeping.add_done_callback(self._keeping.discard)
            await to_its_end(keeping)
        elif exchange.learn and sampled(exchange.id, self._sample_rate):
            self._recorded_sampled += 1
            self._writer.offer(exchange)  # nothing was found, so nothing was cut out

    async def _keep(self, exchange: Exchange) -> None:
        await self._journal.append(document.write(scrubbed(exchange)))
        self._recorded_flagged += 1
        self._writer.wake()

    @property
    def health(self) -> LedgerHealth:
        """How the ledger is now."""
        return LedgerHealth(
            writer_alive=self._task is not None and not self._task.done(),
            journal=self._journal.trouble,
            database=self._writer.trouble,
            behind=self._writer.behind,
            journal_failures=self._journal.failures,
            database_failures=self._writer.failures,
            pending=self._writer.pending,
            journal_bytes=self._journal.size_bytes,
            journal_limit_bytes=self._journal.limit_bytes,
            recorded_flagged=self._recorded_flagged,
            recorded_sampled=self._recorded_sampled,
            stored=self._intake.stored,
            dropped=self._writer.dropped,
            damaged=self._writer.damaged,
            dead_letters=self._intake.dead,
        )

    async def caught_up(self, timeout_seconds: float = DRAIN_SECONDS) -> bool:
        """Wait until the database has all that was recorded; False when the time is over first."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._writer.settled()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Store what is left, if the database takes it in time, and let the journal go."""
        if self._keeping:
            await asyncio.wait(self._keeping)  # each ends within the journal's patience
        if self._replaying is not None:
            self._replaying.cancel()
            await asyncio.wait([self._replaying])
        self._writer.finish()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=DRAIN_SECONDS)
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._journal.close()


async def to_its_end(task: "asyncio.Task[None]") -> None:
    """Wait for a task, and only then be cancelled."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
    if cancelled is not None:
        raise cancelled


def sampled(exchange_id: str, rate: float) -> bool:
    """Whether an unflagged exchange is kept: decided by its id, so that every process decides alike."""
    return crc32(exchange_id.encode()) < rate * 2**32


def _say_death(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error(
            "the ledger's writer died of %s; flagged exchanges stay in the journal", type(error).__name__
        )
