"""Token budgets by day and month (UTC): enforced from memory, kept in the ledger's database: no restart forgets them.

Each gateway adds what it spent to the database once a second and reads back what all have spent. Two gateways can
therefore exceed a budget together by what one of them admits in a second and a bit; while the database is away, each
counts on from what it knew, and adds the rest later.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import insert, select, update

from gateway.background import running, unbroken
from gateway.ledger.contract import LedgerFailed, LedgerUnavailable
from gateway.ledger.database import Database
from gateway.ledger.tables import KeyUsageRow
from gateway.metrics import Metrics
from gateway.tenants.terms import Period

log = logging.getLogger(__name__)
KEEP_SECONDS = 1.0
PATIENCE_SECONDS = 15.0  # for a write: SQLite alone waits ten for whoever else writes
STOP_SECONDS = 5.0  # that a stop takes at most: half for what is being written, half for what is left
Account = tuple[str, str]  # a key's id and a period


def utc_now() -> datetime:
    """The clock that periods go by."""
    return datetime.now(UTC)


class Budgets:
    """What keys with a budget have spent: known from the database, not yet written there, and held by requests."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._known: dict[Account, int] = {}
        self._unwritten: dict[Account, int] = defaultdict(int)
        self._doubtful: dict[Account, int] = {}  # of that, what is being written, or was broken off meanwhile
        self._held: dict[Account, int] = defaultdict(int)

    def hold(self, key: str, per: Period, tokens: int, budget: int) -> Account | None:
        """Set tokens aside for a request; None where the budget has not so many left."""
        account = key, period_of(self._clock(), per)
        if self.spent(account) + tokens > budget:
            return None
        self._held[account] += tokens
        return account

    def settle(self, account: Account, held: int, spent: int) -> None:
        """Take what a request has really spent, in place of what was set aside for it."""
        self._held[account] -= held
        if not self._held[account]:
            del self._held[account]
        if spent:
            self._unwritten[account] += spent

    def spent(self, account: Account) -> int:
        """Tokens spent or set aside."""
        return self._known.get(account, 0) + self._unwritten.get(account, 0) + self._held.get(account, 0)

    def left(self, key: str, per: Period, budget: int) -> int:
        """Tokens of a budget that are neither spent nor set aside."""
        return max(0, budget - self.spent((key, period_of(self._clock(), per))))

    def renewed_at(self, per: Period) -> datetime:
        """When the budget is whole again."""
        return end_of(self._clock(), per)

    def seconds_left(self, per: Period) -> float:
        """Until the budget is whole again."""
        now = self._clock()
        return (end_of(now, per) - now).total_seconds()

    async def keep(self, database: Database, stop_seconds: float = STOP_SECONDS) -> None:
        """Write down what was spent since, and read what all gateways have spent; raises LedgerFailed.

        Who is cancelled, as a stop cancels it, waits half of its seconds for the write and no longer; who runs on has
        all patience, since what was committed and not noted is counted again.
        """
        await unbroken(self.write(database, PATIENCE_SECONDS), stop_seconds / 2)
        async with answered_within(PATIENCE_SECONDS):
            self._known = await _read(database, self._clock())

    async def write(self, database: Database, seconds: float) -> None:
        """Write down what was spent since; raises LedgerFailed. What is broken off may be written or not."""
        if not (writing := dict(self._unwritten)):
            return
        self._doubtful = writing
        async with answered_within(seconds):
            try:
                await _add(database, writing)
            except LedgerFailed:
                self._doubtful = {}
                raise
        self._noted()

    def forgo(self) -> bool:
        """Take for written what may be, as nobody is left to find out; whether there was anything."""
        doubtful = bool(self._doubtful)
        self._noted()
        return doubtful

    def _noted(self) -> None:
        written, self._doubtful = self._doubtful, {}
        self._note(written)

    def _note(self, written: Mapping[Account, int]) -> None:
        for account, tokens in written.items():
            self._known[account] = self._known.get(account, 0) + tokens
            self._unwritten[account] -= tokens
            if not self._unwritten[account]:
                del self._unwritten[account]


async def _add(database: Database, spent: Mapping[Account, int]) -> None:
    async with database.write() as connection:
        for (key, period), tokens in spent.items():
            own = (KeyUsageRow.key_id == key, KeyUsageRow.period == period)
            more = update(KeyUsageRow).where(*own).values(tokens=KeyUsageRow.tokens + tokens)
            if not (await connection.execute(more)).rowcount:
                row = {"key_id": key, "period": period, "tokens": tokens}
                await connection.execute(insert(KeyUsageRow).values(**row))


async def _read(database: Database, now: datetime) -> dict[Account, int]:
    current = KeyUsageRow.period.in_([period_of(now, "day"), period_of(now, "month")])
    async with database.read() as connection:
        rows = await connection.execute(select(*KeyUsageRow.__table__.columns).where(current))
        return {(row.key_id, row.period): row.tokens for row in rows}


@asynccontextmanager
async def answered_within(seconds: float) -> AsyncIterator[None]:
    """Break the block off where it takes longer; raises LedgerUnavailable."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise LedgerUnavailable("the ledger does not answer") from error


@asynccontextmanager
async def kept_budgets(
    budgets: Budgets, database: Database, metrics: Metrics, stop_seconds: float = STOP_SECONDS
) -> AsyncIterator["asyncio.Task[None]"]:
    """The task that keeps budgets in the database, which knows them before anything is served and after all is.

    What a stop breaks off may be written or not: the last write leaves it out, as a key had better be charged too
    little once than twice.
    """
    await budgets.keep(database)
    try:
        async with running(_keep(partial(budgets.keep, database, stop_seconds), metrics), "budgets") as task:
            yield task
    finally:
        if budgets.forgo():
            _failed(metrics, "broken off")
        await _tried(partial(budgets.write, database, stop_seconds / 2), metrics)


async def _keep(keeping: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
    while True:
        await asyncio.sleep(KEEP_SECONDS)
        await _tried(keeping, metrics)


async def _tried(keeping: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
    try:
        await keeping()
    except LedgerFailed as error:
        _failed(metrics, type(error).__name__)


def _failed(metrics: Metrics, why: str) -> None:
    metrics.limits_failures.labels("database").inc()
    log.warning("budgets cannot be kept (%s); each gateway counts on by itself", why)


def period_of(now: datetime, per: Period) -> str:
    """The day or month of a moment."""
    return now.isoformat()[: 10 if per == "day" else 7]


def end_of(now: datetime, per: Period) -> datetime:
    """When its day or month ends."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if per == "day":
        return midnight + timedelta(days=1)
    return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
