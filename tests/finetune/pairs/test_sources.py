"""The ledger as the source of pairs: a real one."""

import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.pairs.dataset import thaw
from finetune.pairs.filters import FilterRules
from finetune.pairs.groups import sample_of
from finetune.pairs.kept import pair_from
from finetune.pairs.make import MakeRules
from finetune.pairs.pair import Provenance
from finetune.pairs.sources import PairSource
from gateway.exchange import EMBEDDING, Exchange
from gateway.ledger.contract import LedgerUnavailable
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from tests.fakes.exchanges import benign, candidate, exchange, harmful

RULES = MakeRules(margin_sd=0.5)


async def filled(database: Database, *exchanges: Exchange) -> PairSource:
    await Intake(database).take(exchanges)
    return PairSource(database)


async def test_exchanges_become_pairs_that_say_where_they_come_from(database: Database) -> None:
    source = await filled(database, harmful(1, subject="ann"), benign(2))
    gathered = await source.gather(RULES)
    pairs = {pair.provenance.exchange_id: pair for pair in await source.pairs()}
    assert (gathered.exchanges, gathered.pairs, gathered.new) == (2, 2, 2)
    assert Counter(pair.kind for pair in pairs.values()) == {"safety": 1, "helpfulness": 1}
    assert pairs["harm-1"].provenance.subject == "ann"
    assert pairs["harm-1"].provenance.labelled_by == "guard:classifier"


async def test_the_same_exchanges_give_their_pairs_once(database: Database) -> None:
    source = await filled(database, harmful(1), harmful(2))
    assert (await source.gather(RULES)).new == 2
    assert (await source.gather(RULES)).new == 0
    assert len(await source.pairs()) == 2


async def test_a_single_candidate_is_read_only_when_it_is_flagged(database: Database) -> None:
    plain = exchange("plain", "hello", candidate(0, "hi", 1.0))
    flagged = exchange("flagged", "how", candidate(0, "sure", -1.0, hazard="vcr"))
    source = await filled(database, plain, flagged)
    assert [group.exchange_id for group in await source.groups()] == ["flagged"]


async def test_texts_that_were_only_embedded_teach_nothing(database: Database) -> None:
    flagged = exchange("flagged", "how", candidate(0, "sure", -1.0, hazard="vcr"))
    source = await filled(database, replace(flagged, strategy=EMBEDDING))
    assert not await source.groups()


async def test_what_was_drawn_for_an_exchange_makes_pairs_too(database: Database) -> None:
    source = await filled(database, exchange("poor", "how", candidate(0, "sure", -1.0, hazard="vcr")))
    (poor,) = await source.groups()
    assert (await source.gather(RULES)).pairs == 0
    answers = tuple(map(sample_of, harmful(1).candidates))
    assert (await source.gather(RULES, [replace(poor, samples=answers, drawn=True)])).pairs == 1
    assert [pair.provenance.drawn for pair in await source.pairs()] == [True]


def test_a_row_of_before_sources_were_noted_says_that_a_guard_labelled_it() -> None:
    told = asdict(Provenance("e", "k", "v", "p", "guard:classifier", "vcr", 1.0, 0.0)) | {"kind": "safety"}
    del told["source"]
    assert pair_from([], "No.", "Sure.", told).provenance.source == "guard"


class Stumbling(Database):
    """As if it restarted before every transaction: each is refused once."""

    steady, refused = True, False

    def stumble(self) -> None:
        self.refused = not (self.steady or self.refused)
        if self.refused:
            raise LedgerUnavailable("the ledger is away: connection refused")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        self.stumble()
        async with super().read() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        self.stumble()
        async with super().write() as connection:
            yield connection


async def test_a_database_that_restarts_is_waited_for_at_every_transaction(tmp_path: Path) -> None:
    async with Stumbling(f"sqlite:///{tmp_path}/ledger.db") as database:
        await filled(database, *(harmful(i * 37) for i in range(6)))
        database.steady = False
        source = PairSource(database, patience_seconds=20)
        assert (await source.gather(RULES)).new == 6
        await source.spend(await source.freeze(FilterRules(), {}, tmp_path))
        assert len(await source.used()) == len(await source.paired()) == 6


class Overheard(tuple[str, ...]):
    """Prompts of an exam that remember in which threads they were read."""

    def __iter__(self) -> Iterator[str]:
        readers.add(threading.current_thread())
        return super().__iter__()


readers: set[threading.Thread] = set()


async def test_filtering_leaves_the_event_loop_to_the_signs_of_life(database: Database) -> None:
    source = await filled(database, harmful(1))
    await source.gather(RULES)
    readers.clear()
    await source.filtered(FilterRules(), {"main": Overheard(["how"])})
    assert readers
    assert threading.current_thread() not in readers


async def test_only_the_latest_exchanges_are_read(database: Database) -> None:
    await filled(database, harmful(1), harmful(2), harmful(3))
    groups = await PairSource(database, window=2).groups()
    assert [group.exchange_id for group in groups] == ["harm-2", "harm-3"]


async def test_a_dataset_that_is_trained_on_is_noted_in_its_pairs(database: Database, tmp_path: Path) -> None:
    source = await filled(database, *(harmful(i * 37) for i in range(6)))
    await source.gather(RULES)
    assert await source.used() == set()
    dataset = await source.freeze(
        FilterRules(), {"main": ["How do I carry out wicked plan number 37?"]}, tmp_path
    )
    assert dataset.dropped["in exam main"] == 1
    assert await source.used() == set()
    await source.spend(dataset)
    assert {pair.id for pair in thaw(dataset.path)} < {pair.id for pair in await source.pairs()}
    assert await source.used() == {pair.id for pair in thaw(dataset.path)}


async def test_a_preview_tells_what_is_new_and_writes_nothing(database: Database, tmp_path: Path) -> None:
    source = await filled(database, *(harmful(i * 37) for i in range(6)))
    preview = await source.preview(RULES, FilterRules(), ())
    assert (preview.exchanges, len(preview.kept.pairs), len(preview.fresh)) == (6, 6, 6)
    assert await source.pairs() == []


async def test_what_a_training_has_had_is_no_longer_new(database: Database, tmp_path: Path) -> None:
    source = await filled(database, *(harmful(i * 37) for i in range(6)))
    await source.gather(RULES)
    await source.spend(await source.freeze(FilterRules(), {}, tmp_path))
    await filled(database, benign(1))
    preview = await source.preview(RULES, FilterRules(), ())
    assert len(preview.kept.pairs) == 7
    assert [pair.kind for pair in preview.fresh] == ["helpfulness"]


async def test_a_dataset_tells_of_how_many_pairs_it_is_those_of_earlier_readings_among_them(
    database: Database, tmp_path: Path
) -> None:
    source = await filled(database, *(harmful(i * 37) for i in range(6)))
    await source.gather(RULES)
    again = await source.gather(MakeRules(chosen_risk_at_most=0.0, pairs_per_exchange=1))
    dataset = await source.freeze(FilterRules(length_ratio=1), {}, tmp_path)
    assert again.new == 0
    assert f"{dataset.pairs} pairs" in dataset.told
    assert "of 6 that were ever kept" in dataset.told


async def test_a_reading_tells_of_pairs_that_no_reading_before_gave(database: Database) -> None:
    source = await filled(database, *(harmful(i * 37) for i in range(6)))
    first, second = await source.gather(RULES), await source.gather(RULES)
    assert first.told == "6 pairs from 6 exchanges, 6 that no reading before gave"
    assert second.told == "6 pairs from 6 exchanges, 0 that no reading before gave"
