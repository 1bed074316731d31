"""The writer: a task that brings flagged exchanges from the journal, others from a queue, to the database.

Flagged exchanges wait on disk, not in memory, while the database is away and until the journal is full, which then
refuses more; the others are dropped, and counted, when their queue is full.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from gateway.exchange import Exchange
from gateway.ledger import document
from gateway.ledger.contract import LedgerUnavailable
from gateway.ledger.intake import Intake, Letter, letter_of_record
from gateway.ledger.journal import Journal
from gateway.ledger.segments import Place

BATCH = 256
GATHER_SECONDS = 0.05
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 5.0
# After so long without work, what the database has is deleted from the journal.
TIDY_SECONDS = 5.0

log = logging.getLogger(__name__)


class Writer:
    """Moves exchanges into the database; counts those dropped, and records that the disk damaged."""

    def __init__(self, intake: Intake, journal: Journal, *, queue_limit: int = 4096) -> None:
        self._intake = intake
        self._journal = journal
        self._queue: deque[Exchange] = deque()
        self._queue_limit = queue_limit
        self._place = Place(0, 0)
        self._work = asyncio.Event()
        self._closing = asyncio.Event()
        self._level = asyncio.Event()
        self._taken = 0  # records of the journal that are no longer waited for
        self.failures = 0  # tries to store that failed
        self.dropped = 0
        self.damaged = 0
        self.trouble: str | None = None  # why what is ready does not reach the database; None when it does

    @property
    def behind(self) -> bool:
        """Whether anything waits for the database."""
        return bool(self._queue) or self._place < self._journal.durable

    @property
    def pending(self) -> int:
        """How many exchanges wait for the database, in the journal and in the queue."""
        in_journal = self._journal.records - self._taken if self._place < self._journal.durable else 0
        return max(0, in_journal) + len(self._queue)

    def offer(self, exchange: Exchange) -> None:
        """Queue an unflagged exchange, or drop it when there is no room."""
        if len(self._queue) >= self._queue_limit:
            self.dropped += 1
        else:
            self._queue.append(exchange)
            self._work.set()

    def wake(self) -> None:
        """Say that the journal has news."""
        self._work.set()

    async def settled(self) -> None:
        """Return once nothing waits for the database."""
        while self.behind:
            self._level.clear()
            await self._level.wait()

    def finish(self) -> None:
        """Let `run` return once all is stored, or at the next failure of disk or database."""
        self._closing.set()
        self._work.set()

    async def run(self) -> None:
        """Store whatever comes, until told to finish."""
        pause = FIRST_PAUSE_SECONDS
        while await self._has_work():
            await self._gather()
            if await self._store_some():
                pause = FIRST_PAUSE_SECONDS
            elif self._closing.is_set():
                break
            else:
                await self._pause(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self.dropped += len(self._queue)

    async def _gather(self) -> None:
        """Let a few more come: a transaction costs as much for one exchange as for fifty."""
        if len(self._queue) < BATCH:
            await self._pause(GATHER_SECONDS)

    async def _has_work(self) -> bool:
        """Wait until there is some; False when told to finish and nothing is left."""
        while not self.behind and not self._closing.is_set():
            self._work.clear()
            try:
                async with asyncio.timeout(TIDY_SECONDS):
                    await self._work.wait()
            except TimeoutError:
                await self._seal()
        if not self.behind:
            await self._seal()
        return self.behind

    async def _seal(self) -> None:
        """End the segment that the database has whole: the writer then steps past it, and deletes it."""
        if self._journal.unsealed_bytes:
            await self._journal.rotate()

    async def _pause(self, seconds: float) -> None:
        """Wait, unless told to finish."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            pass

    async def _store_some(self) -> bool:
        """Store the next batch of each kind; False when disk or database failed, and then nothing has moved."""
        try:
            await self._store_batch()
        except (LedgerUnavailable, OSError) as error:
            self.trouble = trouble_of(error)
            self.failures += 1
            log.warning("the ledger's writer waits: %s", self.trouble)
            return False
        self.trouble = None
        return True

    async def _store_batch(self) -> None:
        """Raises LedgerUnavailable, or OSError when the journal cannot be read now: both may be tried again."""
        records, place = await self._journal.read(self._place, BATCH)
        queued = [self._queue[i] for i in range(min(BATCH, len(self._queue)))]
        exchanges, letters = _decoded(records)
        await self._intake.take([*exchanges, *queued], letters)
        self.damaged += records.count(None)
        for _ in queued:
            self._queue.popleft()
        await self._advance(place)
        self._taken = (
            self._taken + len(records) if self._place < self._journal.durable else self._journal.records
        )
        self._level.set()

    async def _advance(self, place: Place) -> None:
        if place.segment > self._place.segment:
            await self._journal.delete_before(place)
        self._place = place


def trouble_of(error: Exception) -> str:
    """What is wrong, in a sentence that names no text of people."""
    if isinstance(error, OSError):
        return f"the journal cannot be read: {error.strerror or type(error).__name__}"
    return str(error)


def _decoded(records: Sequence[bytes | None]) -> tuple[list[Exchange], list[Letter]]:
    """The exchanges in some journal records, and a dead letter for each record that is none."""
    exchanges, letters = [], []
    for record in records:
        try:
            if record is not None:
                exchanges.append(document.read(record))
        except ValueError as error:
            letters.append(letter_of_record(record or b"", error))
    return exchanges, letters
