"""Pairs wait for a while before they are trained on."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from finetune.pairs.dataset import Dataset, thaw
from finetune.pairs.filters import FilterRules
from finetune.pairs.make import MakeRules
from finetune.pairs.pair import Pair
from finetune.pairs.sources import PairSource
from gateway.exchange import Exchange
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.tables import PairRow
from tests.fakes.exchanges import candidate, exchange, harmful
from tests.finetune.pairs.test_ratings import thumb

MAKE = MakeRules(margin_sd=0.5)
DAY = FilterRules(quarantine_hours=24)


def aged(some: Exchange, hours: float) -> Exchange:
    return replace(some, created_at=datetime.now(UTC) - timedelta(hours=hours))


@pytest.fixture
async def source(database: Database) -> PairSource:
    """Three exchanges of two days ago, and two of now."""
    old, new = [aged(harmful(37 * i), 48) for i in range(3)], [harmful(37 * i) for i in range(3, 5)]
    await Intake(database).take([*old, *new])
    return PairSource(database)


def asked(pairs: Iterable[Pair] | Dataset) -> set[str]:
    """The exchanges of some pairs."""
    found = thaw(pairs.path) if isinstance(pairs, Dataset) else pairs
    return {pair.provenance.exchange_id for pair in found}


OLD = {"harm-0", "harm-37", "harm-74"}


async def test_a_pair_waits_from_its_exchange_on_and_not_from_when_it_was_made(
    source: PairSource, tmp_path: Path
) -> None:
    await source.gather(MAKE)
    assert asked(await source.freeze(DAY, {}, tmp_path)) == OLD


async def test_what_begins_a_retraining_counts_none_that_must_wait(source: PairSource) -> None:
    seen = await source.preview(MAKE, DAY, {})
    assert asked(seen.fresh) == asked(seen.kept.pairs) == OLD
    await source.gather(MAKE)
    assert asked((await source.preview(MAKE, DAY, {})).fresh) == OLD


async def test_by_default_nothing_waits(source: PairSource, tmp_path: Path) -> None:
    assert len((await source.preview(MAKE, FilterRules(), {})).fresh) == 5
    await source.gather(MAKE)
    assert (await source.freeze(FilterRules(), {}, tmp_path)).pairs == 5


async def aged_pairs(database: Database) -> None:
    """As if all had been kept two days ago."""
    async with database.write() as connection:
        await connection.execute(update(PairRow).values(created_at=datetime.now(UTC) - timedelta(2)))


async def test_thumbs_of_an_old_exchange_wait_from_when_they_made_a_pair(
    database: Database, tmp_path: Path
) -> None:
    answers = (candidate(0, "It has three gates.", 0.0), candidate(1, "Of that town I know little.", 0.0))
    await Intake(database).take([aged(exchange("rated", "Tell me of a town.", *answers), 48)])
    for place, value in enumerate((1.0, -1.0)):
        await thumb(database, "rated", value, place)
    source = PairSource(database)
    assert asked((await source.preview(MAKE, DAY, {})).fresh) == set()
    await source.gather(MAKE)
    assert asked(await source.freeze(DAY, {}, tmp_path)) == set()
    await aged_pairs(database)
    assert asked(await source.freeze(DAY, {}, tmp_path)) == {"rated"}
    assert asked((await source.preview(MAKE, DAY, {})).fresh) == {"rated"}


async def test_what_has_no_exchange_waits_from_when_it_was_kept(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    turn = {"role": "user", "content": "How do I hurt him?"}
    path.write_text(json.dumps({"messages": [turn], "rejected": "Hit him.", "chosen": "Do not."}))
    source = PairSource(database, red_team=path)
    await source.gather(MAKE)
    assert (await source.freeze(DAY, {}, tmp_path)).pairs == 0
    await aged_pairs(database)
    assert (await source.freeze(DAY, {}, tmp_path)).pairs == 1
