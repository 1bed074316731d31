"""One page of exchanges to its pairs: in this process, in several, or on Ray (`on_ray`); the pairs are the same."""

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.pairs.groups import group_of
from finetune.pairs.make import MakeRules, pairs_of, why_none
from finetune.pairs.pair import Group, Pair
from finetune.pairs.words import freed, overturned_in, word_pairs
from finetune.patience import while_away
from gateway.exchange import Exchange
from gateway.feedback.said import Feedback
from gateway.feedback.store import COLUMNS
from gateway.ledger.database import Database
from gateway.ledger.exchanges import Exchanges
from gateway.ledger.learning_tables import FeedbackRow
from gateway.ledger.tables import CandidateRow

PAGE = 500  # exchanges read at a time
AHEAD = 4  # pages to a process that are under way, so that what is made does not pile up before it is written


@dataclass(frozen=True, slots=True)
class Read:
    """An exchange as pairs are made of it: its group, and what was said of it."""

    exchange: Exchange
    group: Group
    words: tuple[Feedback, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What some exchanges gave."""

    exchanges: int
    pairs: list[Pair]
    skipped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class PairJob:
    """What every process that makes pairs must know."""

    ledger: str = field(repr=False)  # a password may be in it
    rules: MakeRules
    sd: float | None
    patience_seconds: float = 0.0  # that a ledger which is away is waited for


async def read_page(database: Database, seqs: Sequence[int]) -> list[Read]:
    """The exchanges with these numbers, with late rewards and with what people said."""
    exchanges = await Exchanges(database).at(seqs)
    ids = [each.id for each in exchanges]
    async with database.read() as connection:
        words, late = await words_of(connection, ids), await late_of(connection, ids)
    found = []
    for each in exchanges:
        said = words.get(each.id, ())
        group = freed(group_of(each, late.get(each.id, {})), overturned_in(said))
        found.append(Read(each, group, tuple(said)))
    return found


async def words_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[Feedback]]:
    """What was said of some exchanges."""
    query = select(*COLUMNS).where(FeedbackRow.exchange_id.in_(ids)).order_by(FeedbackRow.id)
    found: dict[str, list[Feedback]] = {}
    for row in (await connection.execute(query)).mappings():
        found.setdefault(row["exchange_id"], []).append(Feedback(**row))
    return found


async def late_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, dict[int, float]]:
    """The rewards that candidates were given after the fact, by exchange and position."""
    row = CandidateRow
    query = select(row.exchange_id, row.position, row.late_reward)
    query = query.where(row.exchange_id.in_(ids), row.late_reward.is_not(None))
    found: dict[str, dict[int, float]] = {}
    for told in await connection.execute(query):
        found.setdefault(told.exchange_id, {})[told.position] = float(told.late_reward or 0.0)
    return found


def pairs_in(read: Iterable[Read], rules: MakeRules, sd: float | None) -> Page:
    """The pairs of a page. Pure."""
    pairs: list[Pair] = []
    skipped: Counter[str] = Counter()
    count = 0
    for each in read:
        count += 1
        made = [*pairs_of(each.group, rules, sd), *word_pairs(each.exchange, each.group, each.words)]
        pairs += made
        if not made:
            skipped[why_none(each.group, rules)] += 1
    return Page(count, pairs, skipped)


class Desk:
    """Makes the pairs of one page after another, over a connection of its own."""

    def __init__(self, job: PairJob) -> None:
        self._job = job
        self._runner = asyncio.Runner()
        self._database = Database(job.ledger)

    def __call__(self, seqs: Sequence[int]) -> Page:
        """The pairs of these exchanges."""
        page = partial(read_page, self._database, seqs)
        read = self._runner.run(while_away(page, self._job.patience_seconds))
        return pairs_in(read, self._job.rules, self._job.sd)

    def close(self) -> None:
        """Give the connection back."""
        self._runner.run(self._database.close())
        self._runner.close()


_desks: list[Desk] = []  # of this process, which is one of a pool


def open_desk(job: PairJob) -> None:
    """Begin a process of the pool."""
    _desks.append(Desk(job))


def at_desk(seqs: Sequence[int]) -> Page:
    """A page, at the desk of this process."""
    return _desks[-1](seqs)


def made(job: PairJob, pages: Sequence[Sequence[int]], jobs: int) -> Iterator[Page]:
    """Each page's pairs, in the order of the pages."""
    if jobs == 1 or len(pages) < 2:
        desk = Desk(job)
        try:
            yield from map(desk, pages)
        finally:
            desk.close()
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=open_desk, initargs=(job,)) as pool:
        for start in range(0, len(pages), AHEAD * jobs):
            yield from pool.map(at_desk, pages[start : start + AHEAD * jobs])
