"""The ledger as the source of pairs: exchanges in, pairs kept with their provenance, datasets out.

Pairs are kept by content, so that the same exchanges give the same pairs once, and each training sees
all that were ever made: the adapter always starts from the bare base model.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.exams.contract import Rewards
from finetune.pairs.dataset import Dataset, freeze, thaw
from finetune.pairs.filters import Filtered, FilterRules, filter_pairs
from finetune.pairs.groups import group_of
from finetune.pairs.make import MakeRules, make_pairs
from finetune.pairs.pair import Group, Pair, Provenance
from finetune.pairs.score import scored
from finetune.patience import while_away
from gateway.exchange import EMBEDDING
from gateway.ledger.database import Database
from gateway.ledger.exchanges import Exchanges
from gateway.ledger.tables import CandidateRow, ExchangeRow, PairRow

PAGE = 500  # exchanges read at a time

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gathered:
    """What reading the ledger gave."""

    exchanges: int
    pairs: int
    new: int  # pairs that no earlier reading had given
    skipped: dict[str, int]  # exchanges that gave no pair, by reason
    reward_sd: float | None

    @property
    def told(self) -> str:
        """One line for people."""
        return f"{self.pairs} pairs from {self.exchanges} exchanges, {self.new} of them new"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a retraining would learn now: the pairs fit for training, and those that no training has had."""

    exchanges: int
    skipped: dict[str, int]
    kept: Filtered
    fresh: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class PairSource:
    """Reads exchanges, keeps pairs; at most `window` of the latest flagged or ranked ones.

    A database that is away is waited for as long as `patience_seconds`, at each transaction anew. What takes long
    on much data is done in a thread, so that a worker shows its signs of life meanwhile.
    """

    database: Database
    window: int = 50_000
    rewards: Rewards | None = None  # scores what traffic did not: candidates that a guard withheld
    patience_seconds: float = 0.0

    async def gather(self, rules: MakeRules, drawn: Sequence[Group] = ()) -> Gathered:
        """Make pairs of the latest exchanges, and of what was drawn for them; keep those that are new."""
        groups = [*await self.groups(), *drawn]
        made = await asyncio.to_thread(make_pairs, groups, rules)
        new = await self._keep(made.pairs)
        return Gathered(len(groups), len(made.pairs), new, made.skipped, made.reward_sd)

    async def freeze(self, rules: FilterRules, exam_prompts: Sequence[str], folder: Path) -> Dataset:
        """Filter all kept pairs and freeze what is left."""
        filtered = await self.filtered(rules, exam_prompts)
        return await asyncio.to_thread(freeze, filtered.pairs, folder, filtered.dropped)

    async def spend(self, dataset: Dataset) -> None:
        """Note in each pair of a frozen dataset that a training has it: it is new no longer."""
        ids = [pair.id for pair in await asyncio.to_thread(thaw, dataset.path)]

        async def spent(connection: AsyncConnection) -> None:
            for each in ids:
                change = update(PairRow).where(PairRow.id == each).values(dataset_hash=dataset.sha256)
                await connection.execute(change)

        await self._write(spent)

    async def filtered(self, rules: FilterRules, exam_prompts: Sequence[str]) -> Filtered:
        """All kept pairs that are fit for training."""
        return await asyncio.to_thread(filter_pairs, await self.pairs(), exam_prompts, rules)

    async def pairs(self) -> list[Pair]:
        """All kept pairs, oldest first."""
        row = PairRow
        query = select(row.prompt, row.chosen, row.rejected, row.provenance).order_by(row.created_at, row.id)

        async def found(connection: AsyncConnection) -> list[Pair]:
            return [pair_from(*each) for each in await connection.execute(query)]

        return await self._read(found)

    async def preview(self, make: MakeRules, filters: FilterRules, exam_prompts: Sequence[str]) -> Preview:
        """What gathering and freezing would give, with nothing written."""
        groups = await self.groups()
        made = await asyncio.to_thread(make_pairs, groups, make)
        known = {pair.id: pair for pair in (*await self.pairs(), *made.pairs)}
        kept = await asyncio.to_thread(filter_pairs, list(known.values()), exam_prompts, filters)
        used = await self.used()
        fresh = tuple(pair for pair in kept.pairs if pair.id not in used)
        return Preview(len(groups), made.skipped, kept, fresh)

    async def paired(self) -> set[str]:
        """The ids of exchanges that have given pairs."""
        return await self._ids(select(PairRow.exchange_id).where(PairRow.exchange_id.is_not(None)))

    async def used(self) -> set[str]:
        """The ids of pairs that some training has had."""
        return await self._ids(select(PairRow.id).where(PairRow.dataset_hash.is_not(None)))

    async def groups(self) -> list[Group]:
        """The latest exchanges that are flagged or have at least two candidates, oldest first, all scored."""
        seqs = await self._read(partial(telling, window=self.window))
        ledger, groups = Exchanges(self.database), list[Group]()
        for start in range(0, len(seqs), PAGE):
            page = partial(ledger.at, seqs[start : start + PAGE])
            groups += map(group_of, await while_away(page, self.patience_seconds))
        return groups if self.rewards is None else await scored(groups, self.rewards)

    async def _keep(self, pairs: Sequence[Pair]) -> int:
        """Add the pairs that are not there yet; how many that were."""
        by_id = {pair.id: pair for pair in pairs}

        async def added(connection: AsyncConnection) -> int:
            known = set(await connection.scalars(select(PairRow.id)))
            fresh = [row_of(pair) for pair in by_id.values() if pair.id not in known]
            if fresh:
                await connection.execute(insert(PairRow), fresh)
            return len(fresh)

        return await self._write(added)

    async def _ids(self, query: Select[Any]) -> set[str]:
        async def found(connection: AsyncConnection) -> set[str]:
            return set(map(str, await connection.scalars(query)))

        return await self._read(found)

    async def _read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async def read() -> T:
            async with self.database.read() as connection:
                return await work(connection)

        return await while_away(read, self.patience_seconds)

    async def _write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async def written() -> T:
            async with self.database.write() as connection:
                return await work(connection)

        return await while_away(written, self.patience_seconds)


async def telling(connection: AsyncConnection, window: int) -> list[int]:
    """The sequence numbers of the latest conversations that were flagged or ranked, ascending."""
    row = ExchangeRow
    several = select(CandidateRow.exchange_id).where(CandidateRow.position == 1)
    told = row.error.is_(None) & (row.strategy != EMBEDDING) & (row.flagged | row.id.in_(several))
    query = select(row.seq).where(told).order_by(row.seq.desc()).limit(window)
    return sorted(await connection.scalars(query))


def row_of(pair: Pair) -> dict[str, Any]:
    """A pair as the ledger keeps it; its kind is part of where it comes from."""
    return {
        "id": pair.id,
        "content_hash": pair.id,
        "exchange_id": pair.provenance.exchange_id,
        "prompt": [dict(message) for message in pair.messages],
        "chosen": pair.chosen,
        "rejected": pair.rejected,
        "provenance": asdict(pair.provenance) | {"kind": pair.kind},
        "created_at": datetime.now(UTC),
    }


def pair_from(prompt: list[Any], chosen: str, rejected: str, provenance: dict[str, Any]) -> Pair:
    """The pair of a row."""
    source = {name: value for name, value in provenance.items() if name != "kind"}
    return Pair(tuple(prompt), chosen, rejected, provenance["kind"], Provenance(**source))
