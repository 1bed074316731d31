"""Users' thumbs as answers that are good or bad by themselves, which KTO learns from (arXiv 2402.01306).

A rating is a pair with one side unsaid, so that the ledger keeps, erases and marks it as it does any pair; what it says
is read anew from the thumbs that stand at each freezing. A thumb never outvotes a guard. Pure, but for the source.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.pairs import datasets
from finetune.pairs.ancestry import versions_back
from finetune.pairs.balancing import by_chance
from finetune.pairs.contamination import decontaminate
from finetune.pairs.dataset import Dataset
from finetune.pairs.desk import PAGE, Read, read_page
from finetune.pairs.filters import (
    Exams,
    Filter,
    Filtered,
    FilterRules,
    Known,
    each_by_itself,
    owners_bounded,
    through,
)
from finetune.pairs.kept import keep
from finetune.pairs.pair import Kind, Pair
from finetune.pairs.privacy import is_private
from finetune.pairs.telling import tellable
from finetune.pairs.words import pair_of, votes_in
from gateway.ledger.database import Database
from gateway.ledger.learning_tables import FeedbackRow
from gateway.ledger.tables import ExchangeRow, PairRow
from gateway.tenants.consent import unwilling


def ratings_in(read: Iterable[Read], until: datetime) -> Iterator[Pair]:
    """What most thumbs up to a moment say of each answer; where they are divided, nothing."""
    for each in read:
        said = [word for word in each.words if word.created_at is not None and word.created_at <= until]
        votes = votes_in(each.exchange, each.group, said)
        for place, count in sorted(votes.items()):
            sample = each.group.samples[place]
            fit = sample.checked and not sample.withheld
            if count and sample.text.strip() and (count < 0 or fit):
                texts = (sample.text, "") if count > 0 else ("", sample.text)
                kind: Kind = "safety" if each.group.prompt_hazard else "helpfulness"
                yield pair_of(each.group, *texts, "feedback", kind, "")


def filter_ratings(ratings: Sequence[Pair], exams: Exams, rules: FilterRules, known: Known) -> Filtered:
    """Ratings fit for training, by the filters of pairs that ask nothing of a second answer; each counted once."""
    left, dropped = through(list(ratings), {"divided": undivided, **each_by_itself(rules, known)})
    left, more = through(left, {"personal data in what was disliked": without_private})
    dropped |= more
    left, touched = decontaminate(left, exams, rules.near_duplicate)
    balance: dict[str, Filter] = {"label balance": partial(balanced, most=rules.balance, floor=rules.floor)}
    left, more = through(left, owners_bounded(rules) | balance)
    return Filtered(
        tuple(left), dropped | {f"in exam {exam}": count for exam, count in touched.items()} | more
    )


def undivided(ratings: list[Pair]) -> list[Pair]:
    """None of answers that are liked in one exchange and disliked in another: one of the two is wrong."""
    labels: dict[tuple[str, str], set[bool]] = defaultdict(set)
    for each in ratings:
        labels[each.messages_key, each.chosen or each.rejected].add(each.liked)
    return [each for each in ratings if len(labels[each.messages_key, each.chosen or each.rejected]) == 1]


def without_private(ratings: list[Pair]) -> list[Pair]:
    """None whose disliked answer holds personal data: KTO reads it, if only to unlearn it."""
    return [each for each in ratings if each.liked or not is_private(replace(each, chosen=each.rejected))]


def balanced(ratings: list[Pair], most: float, floor: int) -> list[Pair]:
    """The commoner label cut to so many times the rarer; the weights of KTO do the rest."""
    counts = Counter(each.liked for each in ratings)
    if len(counts) < 2:
        return ratings
    room = max(floor, int(most * min(counts.values())))
    kept = {
        id(each)
        for liked in counts
        for each in by_chance([one for one in ratings if one.liked is liked])[:room]
    }
    return [each for each in ratings if id(each) in kept]


@dataclass(frozen=True, slots=True)
class RatingSource:
    """The ledger's thumbs of the latest `window` exchanges that have any."""

    database: Database
    window: int = 50_000
    alias: str = ""  # whose live version says how old an answer is

    async def freeze(self, rules: FilterRules, exams: Exams, folder: Path) -> Dataset:
        """Filter the ratings that stand, freeze what is left, and enter the dataset in the ledger."""
        filtered = await self.filtered(rules, exams)

        async def write(work: datasets.Work) -> None:
            async with self.database.write() as connection:
                await work(connection)

        async with self.database.write() as connection:
            ratings = await kept(connection, filtered.pairs)
        return await datasets.freeze_and_enter(ratings, folder, filtered.dropped, write, "ratings")

    async def filtered(self, rules: FilterRules, exams: Exams) -> Filtered:
        """The ratings that stand and are fit for training."""
        ratings = await self.standing(rules.quarantine_hours)
        async with self.database.read() as connection:
            versions = await versions_back(connection, self.alias)
        return await asyncio.to_thread(filter_ratings, ratings, exams, rules, Known(versions))

    async def standing(self, quarantine_hours: float = 0.0) -> list[Pair]:
        """The ratings of whoever may be learnt from, the oldest exchange first; what was erased is gone.

        Each thumb waits for itself: one that is old enough lets no later one of its exchange in.
        """
        until = datetime.now(UTC) - timedelta(hours=quarantine_hours)
        async with self.database.read() as connection:
            seqs = await rated(connection, self.window, until)
        found: list[Pair] = []
        for start in range(0, len(seqs), PAGE):
            found += ratings_in(await read_page(self.database, seqs[start : start + PAGE]), until)
        async with self.database.read() as connection:
            gone = set(await connection.scalars(select(PairRow.id).where(PairRow.erased_at.is_not(None))))
        return [each for each in found if each.id not in gone]


async def kept(connection: AsyncConnection, ratings: Sequence[Pair]) -> list[Pair]:
    """Keep ratings in the ledger; those that are there and whole: nothing is frozen that an erasure overtook."""
    await keep(connection, ratings)
    ids, alive = [each.id for each in ratings], set[str]()
    for start in range(0, len(ids), PAGE):
        some = PairRow.id.in_(ids[start : start + PAGE])
        alive.update(await connection.scalars(select(PairRow.id).where(some, PairRow.erased_at.is_(None))))
    return [each for each in ratings if each.id in alive]


async def rated(connection: AsyncConnection, window: int, until: datetime) -> list[int]:
    """The sequence numbers of exchanges that had a thumb by then and may be learnt from, ascending."""
    row = ExchangeRow
    thumbs = select(FeedbackRow.exchange_id).where(
        FeedbackRow.kind == "thumb", FeedbackRow.created_at <= until
    )
    willing = row.key_id.not_in(await unwilling(connection))
    query = (
        select(row.seq).where(tellable(), willing, row.id.in_(thumbs)).order_by(row.seq.desc()).limit(window)
    )
    return sorted(await connection.scalars(query))
