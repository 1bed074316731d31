"""The ledger as the source of pairs: exchanges in, pairs kept with their provenance, datasets out.

Pairs are kept by content, so that the same exchanges give the same pairs once, and each training sees
all that were ever made: the adapter always starts from the bare base model.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.exams.contract import Rewards
from finetune.pairs.dataset import Dataset, freeze
from finetune.pairs.filters import Filtered, FilterRules, filter_pairs
from finetune.pairs.groups import group_of
from finetune.pairs.make import MakeRules, make_pairs
from finetune.pairs.pair import Group, Pair, Provenance
from finetune.pairs.score import scored
from gateway.ledger.database import Database
from gateway.ledger.exchanges import Exchanges
from gateway.ledger.tables import CandidateRow, ExchangeRow, PairRow

PAGE = 500  # exchanges read at a time


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
    """Reads exchanges, keeps pairs; at most `window` of the latest flagged or ranked ones."""

    database: Database
    window: int = 50_000
    rewards: Rewards | None = None  # scores what traffic did not: candidates that a guard withheld

    async def gather(self, rules: MakeRules, drawn: Sequence[Group] = ()) -> Gathered:
        """Make pairs of the latest exchanges, and of what was drawn for them; keep those that are new."""
        groups = [*await self.groups(), *drawn]
        made = make_pairs(groups, rules)
        new = await self._keep(made.pairs)
        return Gathered(len(groups), len(made.pairs), new, made.skipped, made.reward_sd)

    async def freeze(self, rules: FilterRules, exam_prompts: Sequence[str], folder: Path) -> Dataset:
        """Filter all kept pairs, freeze what is left, and note in each kept pair where it went."""
        filtered = await self.filtered(rules, exam_prompts)
        dataset = freeze(filtered.pairs, folder, filtered.dropped)
        async with self.database.write() as connection:
            for pair in filtered.pairs:
                frozen = update(PairRow).where(PairRow.id == pair.id).values(dataset_hash=dataset.sha256)
                await connection.execute(frozen)
        return dataset

    async def filtered(self, rules: FilterRules, exam_prompts: Sequence[str]) -> Filtered:
        """All kept pairs that are fit for training."""
        return filter_pairs(await self.pairs(), exam_prompts, rules)

    async def pairs(self) -> list[Pair]:
        """All kept pairs, oldest first."""
        row = PairRow
        query = select(row.prompt, row.chosen, row.rejected, row.provenance).order_by(row.created_at, row.id)
        async with self.database.read() as connection:
            return [pair_from(*found) for found in await connection.execute(query)]

    async def preview(self, make: MakeRules, filters: FilterRules, exam_prompts: Sequence[str]) -> Preview:
        """What gathering and freezing would give, with nothing written."""
        groups = await self.groups()
        made = make_pairs(groups, make)
        known = {pair.id: pair for pair in (*await self.pairs(), *made.pairs)}
        kept, used = filter_pairs(list(known.values()), exam_prompts, filters), await self.used()
        fresh = tuple(pair for pair in kept.pairs if pair.id not in used)
        return Preview(len(groups), made.skipped, kept, fresh)

    async def paired(self) -> set[str]:
        """The ids of exchanges that have given pairs."""
        async with self.database.read() as connection:
            found = await connection.scalars(
                select(PairRow.exchange_id).where(PairRow.exchange_id.is_not(None))
            )
            return {str(exchange_id) for exchange_id in found}

    async def used(self) -> set[str]:
        """The ids of pairs that some dataset has had."""
        query = select(PairRow.id).where(PairRow.dataset_hash.is_not(None))
        async with self.database.read() as connection:
            return set(await connection.scalars(query))

    async def groups(self) -> list[Group]:
        """The latest exchanges that are flagged or have at least two candidates, oldest first, all scored."""
        async with self.database.read() as connection:
            seqs = await telling(connection, self.window)
        ledger, pages = Exchanges(self.database), [seqs[i : i + PAGE] for i in range(0, len(seqs), PAGE)]
        groups = [group_of(one) for page in pages for one in await ledger.at(page)]
        return groups if self.rewards is None else await scored(groups, self.rewards)

    async def _keep(self, pairs: Sequence[Pair]) -> int:
        """Add the pairs that are not there yet; how many that were."""
        by_id = {pair.id: pair for pair in pairs}
        async with self.database.write() as connection:
            known = set(await connection.scalars(select(PairRow.id)))
            fresh = [row_of(pair) for pair in by_id.values() if pair.id not in known]
            if fresh:
                await connection.execute(insert(PairRow), fresh)
        return len(fresh)


async def telling(connection: AsyncConnection, window: int) -> list[int]:
    """The sequence numbers of the latest exchanges that were flagged or ranked, ascending."""
    row = ExchangeRow
    several = select(CandidateRow.exchange_id).where(CandidateRow.position == 1)
    told = row.error.is_(None) & (row.flagged | row.id.in_(several))
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
