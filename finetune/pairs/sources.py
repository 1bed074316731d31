"""The ledger as the source of pairs: exchanges in, pairs kept with their provenance, datasets out.

Pairs are kept by content, so that the same exchanges give the same pairs once, and each training sees
all that were ever made: the adapter always starts from the bare base model. Exchanges are read and pairs written page
by page, so that memory does not grow with the ledger; how they are paged, or by how many processes, changes no pair.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Select, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.exams.contract import Rewards
from finetune.pairs import datasets
from finetune.pairs.ancestry import versions_back
from finetune.pairs.beside import beside
from finetune.pairs.dataset import Dataset, thaw
from finetune.pairs.desk import PAGE, Page, PairJob, Read, made, read_page
from finetune.pairs.draw import wanting
from finetune.pairs.filters import Exams, Filtered, FilterRules, Known, filter_pairs
from finetune.pairs.kept import erased_among, keep, pair_from, withdrawn
from finetune.pairs.make import MakeRules, make_pairs
from finetune.pairs.on_ray import made_on_ray
from finetune.pairs.pair import Group, Pair
from finetune.pairs.ratings import RatingSource, kept
from finetune.pairs.red_team import answered, read_findings, with_rejected
from finetune.pairs.score import late_rewards
from finetune.pairs.spread import Spread, spread_in, spread_of
from finetune.pairs.telling import keep_late, tellable, telling, unscored
from finetune.pairs.waiting import until, waiting, waits, young_among
from finetune.patience import while_away
from gateway.ledger.database import Database
from gateway.ledger.tables import ExchangeRow, PairRow
from gateway.tenants.consent import unwilling

T = TypeVar("T")
Closeness = Callable[[Sequence[Pair]], Awaitable[dict[str, float]]]


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
        return f"{self.pairs} pairs from {self.exchanges} exchanges, {self.new} that no reading before gave"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a retraining would learn now: the pairs fit for training, and those that no training has had."""

    exchanges: int
    skipped: dict[str, int]
    kept: Filtered
    fresh: tuple[Pair, ...]
    ratings: int = 0  # of thumbs, beside the pairs


@dataclass(frozen=True, slots=True)
class PairSource:
    """Reads exchanges, keeps pairs; at most `window` of the latest of which something may be learnt.

    A database that is away is waited for as long as `patience_seconds`, at each transaction anew. What takes long
    on much data is done in a thread, so that a worker shows its signs of life meanwhile.
    """

    database: Database
    window: int = 50_000
    rewards: Rewards | None = None  # scores what traffic did not: candidates that a guard withheld
    patience_seconds: float = 0.0
    jobs: int = 1  # processes that make pairs
    cluster: str | None = None  # the address of a Ray cluster that makes them instead
    red_team: Path | None = None  # what red-teaming found
    closeness: Closeness | None = (
        None  # how close a pair's answers are to the policy; asked where rules want it
    )
    alias: str = ""  # whose live version says how old an answer is; of none, the newest of all

    async def gather(self, rules: MakeRules, drawn: Sequence[Group] = ()) -> Gathered:
        """Make pairs of the latest exchanges, and of what was drawn for them; keep those that are new."""
        seqs = await self._telling()
        await self._score_late(seqs)
        sd = (await self._spread(seqs) + spread_of(drawn)).sd
        count, total, new, skipped = len(drawn), 0, 0, Counter[str]()
        findings = await asyncio.to_thread(read_findings, self.red_team)
        of_drawn = make_pairs(with_rejected(drawn, findings), rules, sd)
        told = answered(findings)
        pages = await asyncio.to_thread(self._pages, seqs, rules, sd)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            new += await self._write(partial(keep, pairs=page.pairs))
            count, total = count + page.exchanges, total + len(page.pairs)
            skipped += page.skipped
        new += await self._write(partial(keep, pairs=[*of_drawn.pairs, *told]))
        skipped += Counter(of_drawn.skipped)
        return Gathered(count, total + len(of_drawn.pairs) + len(told), new, dict(skipped), sd)

    async def freeze(
        self, rules: FilterRules, exams: Exams, folder: Path, *, thumbs: bool = False
    ) -> Dataset:
        """Filter all kept pairs, and thumbs beside them where asked; freeze them, and enter them in the ledger."""
        filtered = await self.filtered(rules, exams)
        found: Sequence[Pair] = filtered.pairs
        if thumbs:
            filtered = await self._with_ratings(filtered, rules, exams)
            ratings = [each for each in filtered.pairs if not each.whole]
            found = (*found, *await self._write(partial(kept, ratings=ratings)))
        return await datasets.freeze_and_enter(found, folder, filtered.dropped, self._write)

    async def fit(self, dataset: Dataset) -> bool:
        """Whether a frozen dataset may still be trained on: nothing that it holds was erased since."""
        return not await self._read(partial(datasets.erased, sha256=dataset.sha256))

    async def erased(self, exchanges: Collection[str]) -> set[str]:
        """Those of these exchanges that were erased."""
        return await self._read(partial(erased_among, exchanges=exchanges))

    async def spend(self, dataset: Dataset) -> None:
        """Note in each pair of a frozen dataset that a training has it: it is new no longer."""
        ids = [pair.id for pair in await asyncio.to_thread(thaw, dataset.path)]

        async def spent(connection: AsyncConnection) -> None:
            for start in range(0, len(ids), PAGE):
                mine = PairRow.id.in_(ids[start : start + PAGE])
                await connection.execute(update(PairRow).where(mine).values(dataset_hash=dataset.sha256))

        await self._write(spent)

    async def filtered(self, rules: FilterRules, exams: Exams) -> Filtered:
        """All kept pairs that are fit for training, and old enough."""
        pairs = await self.pairs(until(rules.quarantine_hours))
        versions = await self._read(partial(versions_back, alias=self.alias))
        closeness = await self.closeness(pairs) if self.closeness and rules.closest_share > 0 else {}
        return await asyncio.to_thread(filter_pairs, pairs, exams, rules, Known(versions, closeness))

    async def pairs(self, moment: datetime | None = None) -> list[Pair]:
        """All kept pairs of whoever may be learnt from, oldest first, none younger than a moment; no erased one."""
        row = PairRow
        query = select(row.prompt, row.chosen, row.rejected, row.provenance)
        query = query.where(row.erased_at.is_(None), row.id.not_in(withdrawn()))
        query = query.where(row.chosen != "", row.rejected != "")  # which ratings have not
        if moment is not None:
            query = query.where(~waiting(moment))

        async def found(connection: AsyncConnection) -> list[Pair]:
            shy = await unwilling(connection)
            willing = or_(row.key_id.is_(None), row.key_id.not_in(shy))
            ordered = query.where(willing).order_by(row.created_at, row.id)
            return [pair_from(*each) for each in await connection.execute(ordered)]

        return await self._read(found)

    async def preview(
        self, make: MakeRules, filters: FilterRules, exams: Exams, *, thumbs: bool = False
    ) -> Preview:
        """What gathering and freezing would give, with nothing written, and without what would be drawn anew."""
        seqs = await self._telling()
        sd = (await self._spread(seqs)).sd
        pages = await asyncio.to_thread(lambda: list(self._pages(seqs, make, sd)))
        told = answered(await asyncio.to_thread(read_findings, self.red_team))
        found = [*(pair for page in pages for pair in page.pairs), *told]
        if (moment := until(filters.quarantine_hours)) is not None:
            young = await self._read(partial(young_among, moment=moment))
            found = [pair for pair in found if not waits(pair, young)]
        skipped = sum((page.skipped for page in pages), Counter[str]())
        erased = await self._ids(select(PairRow.id).where(PairRow.erased_at.is_not(None)))
        known = {pair.id: pair for pair in (*await self.pairs(moment), *found) if pair.id not in erased}
        versions = Known(await self._read(partial(versions_back, alias=self.alias)))
        fit = await asyncio.to_thread(filter_pairs, list(known.values()), exams, filters, versions)
        used = await self.used()
        fresh = tuple(pair for pair in fit.pairs if pair.id not in used)
        if not thumbs:
            return Preview(len(seqs), dict(skipped), fit, fresh)
        both = await self._with_ratings(fit, filters, exams)
        ratings = len(both.pairs) - len(fit.pairs)
        return Preview(len(seqs), dict(skipped), Filtered(fit.pairs, both.dropped), fresh, ratings)

    async def poor(self, rules: MakeRules, most: int) -> list[Group]:
        """Flagged exchanges that gave and give no pair, the latest `most`: what is worth asking again."""
        findings = await asyncio.to_thread(read_findings, self.red_team)
        seqs, found = await self._telling(), [each.group for each in findings if each.pair is None]
        sd, paired = (await self._spread(seqs)).sd, await self.paired()
        for page in pages_of(seqs)[::-1]:
            if len(found) >= most:
                break
            groups = [each.group for each in await self._page(page)]
            known = {group.messages_key for group in found}
            some = wanting(groups, paired, rules, most, sd)
            found += [group for group in some if group.messages_key not in known]
        return found[:most]

    async def paired(self) -> set[str]:
        """The ids of exchanges that have given pairs, those that were erased since among them; ratings are none."""
        row = PairRow
        whole = or_(row.erased_at.is_not(None), (row.chosen != "") & (row.rejected != ""))
        return await self._ids(select(row.exchange_id).where(row.exchange_id.is_not(None), whole))

    async def used(self) -> set[str]:
        """The ids of pairs that some training has had."""
        return await self._ids(select(PairRow.id).where(PairRow.dataset_hash.is_not(None)))

    async def groups(self) -> list[Group]:
        """The exchanges of the window as groups, oldest first, all scored."""
        seqs = await self._telling()
        await self._score_late(seqs)
        return [each.group for page in pages_of(seqs) for each in await self._page(page)]

    def _pages(self, seqs: Sequence[int], rules: MakeRules, sd: float | None) -> Iterator[Page]:
        """The pairs of each page, made where and by as many as asked for; waits, and belongs into a thread."""
        ledger = self.database.url.render_as_string(hide_password=False)
        job, pages = PairJob(ledger, rules, sd, self.patience_seconds), pages_of(seqs)
        if self.cluster is None or len(pages) < 2:
            return made(job, pages, self.jobs)
        return made_on_ray(job, pages, self.jobs, self.cluster)

    async def _with_ratings(self, pairs: Filtered, rules: FilterRules, exams: Exams) -> Filtered:
        """Pairs that are fit for training, and beside them what thumbs say of other answers."""
        source = RatingSource(self.database, self.window, self.alias)
        ratings = await while_away(partial(source.filtered, rules, exams), self.patience_seconds)
        return await asyncio.to_thread(beside, pairs, ratings, rules)

    async def _page(self, seqs: Sequence[int]) -> list[Read]:
        return await while_away(partial(read_page, self.database, seqs), self.patience_seconds)

    async def _spread(self, seqs: Sequence[int]) -> Spread:
        """How far rewards lie apart in the window."""
        least = seqs[0] if seqs else 0
        return await self._read(partial(spread_in, told=tellable() & (ExchangeRow.seq >= least)))

    async def _telling(self) -> list[int]:
        return await self._read(partial(telling, window=self.window))

    async def _score_late(self, seqs: Sequence[int]) -> None:
        """Have candidates scored that traffic did not score, page by page, and keep what they were given."""
        if self.rewards is None:
            return
        wanted = await self._read(partial(unscored, least=seqs[0] if seqs else 0))
        for page in pages_of(sorted(wanted & set(seqs))):
            late = await late_rewards([each.group for each in await self._page(page)], self.rewards)
            await self._write(partial(keep_late, late=late))

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


def pages_of(seqs: Sequence[int]) -> list[Sequence[int]]:
    """Sequence numbers, so many at a time."""
    return [seqs[start : start + PAGE] for start in range(0, len(seqs), PAGE)]
