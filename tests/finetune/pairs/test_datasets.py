"""A dataset is frozen while somebody is erased: nothing of theirs is in it, whoever comes first."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from finetune.errors import FinetuneFailed
from finetune.pairs.dataset import freeze
from finetune.pairs.datasets import OVERTAKEN, TRIES, Overtaken, Work, enter, freeze_and_enter, refuse_erased
from finetune.pairs.filters import FilterRules
from finetune.pairs.make import MakeRules
from finetune.pairs.pair import Pair
from finetune.pairs.sources import PairSource
from gateway.erasure.erase import erase
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.learning_tables import DatasetPairRow, DatasetRow
from tests.fakes.exchanges import benign, harmful

ASKED = FilterRules(closest_share=0.05)


@pytest.fixture
async def source(database: Database) -> PairSource:
    await Intake(database).take([harmful(1, subject="ann"), benign(2, subject="bob")])
    source = PairSource(database)
    await source.gather(MakeRules(margin_sd=0.5))
    return source


def overtaken(source: PairSource) -> PairSource:
    """The same, with ann erased between the reading of pairs and their freezing."""

    async def closeness(pairs: Sequence[Pair]) -> dict[str, float]:
        await erase(source.database, "ann", "asked to", "tests")
        return {}

    return replace(source, closeness=closeness)


async def names(database: Database) -> list[str]:
    async with database.read() as connection:
        return list(await connection.scalars(select(DatasetRow.sha256)))


async def test_whoever_is_erased_while_a_dataset_freezes_is_not_in_it(
    source: PairSource, tmp_path: Path
) -> None:
    frozen = await overtaken(source).freeze(ASKED, {}, tmp_path / "datasets")
    assert (frozen.pairs, frozen.dropped[OVERTAKEN]) == (1, 1)
    assert '"ann"' not in frozen.path.read_text()


async def test_of_a_freezing_that_was_overtaken_no_file_is_left(source: PairSource, tmp_path: Path) -> None:
    frozen = await overtaken(source).freeze(ASKED, {}, tmp_path / "datasets")
    assert list((tmp_path / "datasets").iterdir()) == [frozen.path]


async def test_no_dataset_is_entered_that_holds_a_tombstone(source: PairSource, tmp_path: Path) -> None:
    pairs = await source.pairs()
    await erase(source.database, "ann", "asked to", "tests")
    with pytest.raises(Overtaken) as overtook:
        async with source.database.write() as connection:
            await enter(connection, freeze(pairs, tmp_path, {}), pairs)
    assert len(overtook.value.erased) == 1
    assert await names(source.database) == []


async def test_a_dataset_whose_file_was_swept_meanwhile_is_written_again(
    source: PairSource, tmp_path: Path
) -> None:
    swept: list[Path] = []

    async def write(work: Work) -> None:
        if not swept:
            swept.extend(tmp_path.glob("*.jsonl"))
            swept[0].unlink()
        async with source.database.write() as connection:
            await work(connection)

    frozen = await freeze_and_enter(await source.pairs(), tmp_path, {}, write)
    assert [frozen.path] == swept
    assert frozen.path.is_file()


async def test_a_freezing_that_is_always_overtaken_ends(source: PairSource, tmp_path: Path) -> None:
    tries = []

    async def write(work: Work) -> None:
        tries.append(work)
        raise Overtaken(frozenset())

    with pytest.raises(FinetuneFailed, match="run it again"):
        await freeze_and_enter([], tmp_path, {}, write)
    assert len(tries) == TRIES


async def test_a_dataset_that_an_erasure_slipped_into_is_refused_though_it_bears_no_mark(
    source: PairSource, tmp_path: Path
) -> None:
    """As older code entered it."""
    frozen = await source.freeze(FilterRules(), {}, tmp_path)
    await erase(source.database, "ann", "asked to", "tests")
    async with source.database.write() as connection:
        await connection.execute(update(DatasetRow).values(erased_at=None))
    assert not await source.fit(frozen)
    with pytest.raises(FinetuneFailed, match="holds something that was erased"):
        await refuse_erased(source.database, {"sha256": frozen.sha256})


async def test_the_same_dataset_is_entered_once(source: PairSource, tmp_path: Path) -> None:
    first = await source.freeze(FilterRules(), {}, tmp_path)
    assert (await source.freeze(FilterRules(), {}, tmp_path)).sha256 == first.sha256
    async with source.database.read() as connection:
        assert len(list(await connection.scalars(select(DatasetPairRow.pair)))) == first.pairs
