"""Engines that give their GPU to a training: asleep while its run is alive, and woken whatever becomes of it.

A loan is a drain that names the retraining: it stands in the audit trail, so that every gateway leads requests around
the engine and any of them ends it. It holds as long as the run's lease does: no worker needs to be alive to end it.
A loan that is over and whose engine was not woken yet says so there (`returning`): whoever looks goes on trying, and
nobody lends the engine meanwhile. Each word ends only the word that it was said of: of two gateways or workers that
act on the same loan, the slower one changes nothing.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.admin.drains import KIND, Rule, Word, put, word_on
from gateway.admin.fence import Fence, refuse_if_lost
from gateway.admin.trail import Change
from gateway.engines.contract import EngineFailed
from gateway.engines.replica import Replica
from gateway.engines.sleeping import asleep, awake
from gateway.errors import Conflict, UpstreamFailed
from gateway.ledger.database import Database
from gateway.ledger.tables import RetrainingRow
from gateway.tools import Tools

NOTICE_SECONDS = 1.0  # other gateways notice a drain within it
POLL_SECONDS = 0.2
MOVED = "moved"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loan:
    """To which retraining, how deep the engine sleeps, and whether the alias may be without any engine."""

    retraining: str
    level: int
    allow_empty: bool
    timeout_seconds: float  # for requests in flight
    worker: str | None = None  # who holds the retraining; an operator names none

    @property
    def fence(self) -> Fence | None:
        """Whose lease it is held against."""
        return fence_of(self.retraining, self.worker)


@dataclass(frozen=True, slots=True)
class Return:
    """Why an engine is given back, and by whom: an operator, or the worker of the retraining that it is lent to."""

    cause: str
    actor: str
    retraining: str | None = None
    worker: str | None = None

    @property
    def fence(self) -> Fence | None:
        """As a loan's."""
        return fence_of(self.retraining, self.worker)


async def lend(tools: Tools, database: Database, replica: Replica, loan: Loan, actor: str) -> None:
    """Drain an engine and put it to sleep; a failure leaves it awake, and taking requests.

    Raises Conflict when it is not managed, taken out already, no other takes requests, its requests do not end, or the
    loan is ended meanwhile; UpstreamFailed. To lend it to the same retraining again changes nothing.
    """
    if not replica.managed:
        told = f"{replica.name} is not managed: it cannot be put to sleep (engines[].managed)"
        raise Conflict(told, param="name", code="not_managed")
    await _returned(database, replica, loan.timeout_seconds)
    after = {"draining": True, "lent_to": loan.retraining}
    change = Change(KIND, replica.name, {"draining": False}, after, f"lent to {loan.retraining}")
    word = await put(
        tools, database, change, actor, allow_empty=loan.allow_empty, rule=_lendable(replica.name, loan)
    )
    try:
        await asyncio.sleep(NOTICE_SECONDS)
        if not await replica.idle(loan.timeout_seconds):
            raise Conflict(f"{replica.name} still answers requests", param="name", code="in_flight")
        await _to_sleep(tools, database, replica, loan, word)
    except EngineFailed as error:
        await asyncio.shield(_undone(tools, database, replica, word, actor))
        raise UpstreamFailed(f"{replica.name} was not lent: {error}", code="sleep_failed") from error
    except BaseException:
        await asyncio.shield(_undone(tools, database, replica, word, actor))
        raise


async def take_back(tools: Tools, database: Database, replica: Replica, back: Return) -> None:
    """Give an engine back as somebody asks; a retraining's worker only what is lent to it, an operator any.

    Raises Conflict when it is not lent to the retraining, or the worker lost it; UpstreamFailed while it cannot wake.
    """
    word = await word_on(database, replica.name)
    if back.retraining is not None and back.retraining not in (word.lent_to, word.returning):
        told = f"{replica.name} is not lent to {back.retraining[:80]}"
        raise Conflict(told, param="retraining", code="not_lent")
    await give_back(tools, database, replica, word, back)


async def give_back(tools: Tools, database: Database, replica: Replica, word: Word, back: Return) -> None:
    """Wake an engine, have it answer, and lead requests to it again, as long as `word` is the latest on it.

    Raises Conflict (`moved`) when it is not; UpstreamFailed while it does not wake, which the trail then tells, so that
    gateways go on trying.
    """
    name = replica.name
    if run := word.lent_to or word.returning:
        change = Change(KIND, name, word.after, {"draining": True, "returning": run}, back.cause)
        rule = _still(name, word, back.fence)
        word = await put(tools, database, change, back.actor, allow_empty=True, rule=rule)
    async with replica.turning:
        refuse_if_moved(name, await word_on(database, name), word)
        try:
            await awake(replica.engine, tools.settings.base_model)
        except EngineFailed as error:
            raise UpstreamFailed(f"{name} was not woken: {error}", code="wake_failed") from error
        change = Change(KIND, name, word.after, {"draining": False}, back.cause)
        await put(tools, database, change, back.actor, rule=_still(name, word))


async def alive(database: Database, retraining: str) -> bool:
    """Whether the retraining is under way and a worker holds it."""
    async with database.read() as connection:
        return await _alive_in(connection, retraining)


def fence_of(retraining: str | None, worker: str | None) -> Fence | None:
    """The fence around what a retraining's worker asks; None around what an operator does."""
    return Fence("retraining", retraining, worker) if retraining and worker else None


def refuse_if_moved(name: str, found: Word, expected: Word) -> None:
    """Raise Conflict when somebody has said something of an engine since."""
    if found.id != expected.id:
        told = f"{name} was lent, given back or taken out by somebody else meanwhile"
        raise Conflict(told, param="name", code=MOVED)


def _still(name: str, word: Word, fence: Fence | None = None) -> Rule:
    async def rule(connection: AsyncConnection, found: Word) -> None:
        await refuse_if_lost(connection, fence)
        refuse_if_moved(name, found, word)

    return rule


def _lendable(name: str, loan: Loan) -> Rule:
    """What may be lent: what takes requests, or is lent to the same retraining already."""

    async def rule(connection: AsyncConnection, word: Word) -> None:
        await refuse_if_lost(connection, loan.fence)
        if not await _alive_in(connection, loan.retraining):
            told = f"there is no retraining {loan.retraining[:80]!r} under way"
            raise Conflict(told, param="retraining", code="over")
        if word.returning:
            told = f"{name} was lent to {word.returning} and does not wake yet"
            raise Conflict(told, param="name", code="returning")
        if word.draining and word.lent_to is None:
            told = f"{name} is drained: an operator resumes it before it can be lent"
            raise Conflict(told, param="name", code="drained")
        if word.lent_to not in (None, loan.retraining):
            raise Conflict(f"{name} is lent to {word.lent_to}", param="name", code="lent")

    return rule


async def _alive_in(connection: AsyncConnection, retraining: str) -> bool:
    row = RetrainingRow
    held = (row.id == retraining, row.running == 1, row.lease_until > datetime.now(UTC))
    return await connection.scalar(select(func.max(row.id)).where(*held)) is not None


async def _returned(database: Database, replica: Replica, seconds: float) -> None:
    """Wait for an engine that is being woken: a run's next worker may come just then."""
    deadline = asyncio.get_running_loop().time() + seconds
    while (await word_on(database, replica.name)).returning:
        if asyncio.get_running_loop().time() >= deadline:
            return
        await asyncio.sleep(POLL_SECONDS)


async def _to_sleep(tools: Tools, database: Database, replica: Replica, loan: Loan, word: Word) -> None:
    """Put it to sleep while the loan is the latest word; where it no longer is afterwards, awake again."""
    name = replica.name
    async with replica.turning:
        refuse_if_moved(name, await word_on(database, name), word)
        await asleep(replica.engine, loan.level, loan.timeout_seconds)
        found = await word_on(database, name)
        if found.id != word.id and found.lent_to is None:
            await awake(replica.engine, tools.settings.base_model)
        refuse_if_moved(name, found, word)


async def _undone(tools: Tools, database: Database, replica: Replica, word: Word, actor: str) -> None:
    """End a loan that came to nothing; where it is ended, or another's, there is nothing to do."""
    try:
        await give_back(tools, database, replica, word, Return("it could not be put to sleep", actor))
    except Conflict as error:
        log.info("engine %s is not taken back: %s", replica.name, error)
