"""A frozen dataset for other tools, and what becomes of it when something that it holds is erased."""

from pathlib import Path

import pytest
from datasets import load_dataset

from finetune.pairs.datasets import listed
from finetune.pairs.export import export
from finetune.pairs.filters import FilterRules
from finetune.pairs.leftovers import sweep
from finetune.pairs.make import MakeRules
from finetune.pairs.sources import PairSource
from gateway.erasure.erase import erase
from gateway.feedback.said import Feedback
from gateway.feedback.store import FeedbackStore
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.tenants.keys import KeyStore
from gateway.tenants.terms import Terms
from tests.fakes.exchanges import benign, harmful

RULES = MakeRules(margin_sd=0.5)


@pytest.fixture
async def source(database: Database) -> PairSource:
    await Intake(database).take([harmful(1, subject="ada"), benign(23, subject="bob")])
    source = PairSource(database)
    await source.gather(RULES)
    return source


async def test_what_is_exported_is_read_by_the_library_that_trainers_use(
    source: PairSource, tmp_path: Path
) -> None:
    frozen = await source.freeze(FilterRules(), {}, tmp_path / "frozen")
    (row,) = await listed(source.database, 5)
    folder = export(row, tmp_path / "out")
    rows = load_dataset(
        "parquet", data_files=str(folder / "data.parquet"), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert rows.num_rows == frozen.pairs == 2
    assert {"prompt", "chosen", "rejected"} < set(rows.column_names)
    assert rows[0]["chosen"][0]["role"] == "assistant"
    card = (folder / "README.md").read_text()
    assert frozen.sha256 in card
    assert "| guard | 1 |" in card


async def test_a_dataset_is_entered_with_what_it_holds(source: PairSource, tmp_path: Path) -> None:
    await source.freeze(FilterRules(), {}, tmp_path)
    (row,) = await listed(source.database, 5)
    assert row["counts"]["sources"] == {"guard": 1, "reward": 1}


async def test_what_was_erased_is_in_no_later_dataset_and_its_file_goes(
    source: PairSource, tmp_path: Path
) -> None:
    first = await source.freeze(FilterRules(), {}, tmp_path)
    drawn = tmp_path / "drawn" / "d.jsonl"
    drawn.parent.mkdir()
    drawn.write_text("{}")
    found = await erase(source.database, "ada", "asked to", "tests")
    assert found.datasets == [first.sha256]
    assert not await source.fit(first)
    assert await sweep(source.database, tmp_path) == [first.path, drawn]
    assert not drawn.exists()
    assert not first.path.exists()
    await source.gather(RULES)
    second = await source.freeze(FilterRules(), {}, tmp_path)
    assert second.pairs == 1
    assert "wicked plan" not in second.path.read_text()


async def test_a_key_that_says_no_is_learnt_from_no_more(database: Database, tmp_path: Path) -> None:
    keys = KeyStore(database, "tests")
    key, _ = await keys.create("shy", "application")
    await Intake(database).take([harmful(1, key=key.id), benign(23)])
    source = PairSource(database)
    await source.gather(RULES)
    assert len(await source.pairs()) == 2
    await keys.change(key.id, lambda _: Terms(learn=False))
    assert len(await source.pairs()) == 1
    assert (await source.gather(RULES)).exchanges == 1


async def test_several_processes_make_the_same_pairs(database: Database, tmp_path: Path) -> None:
    await Intake(database).take([make(i) for i in range(700) for make in (harmful, benign)])
    alone = await PairSource(database, jobs=1).preview(RULES, FilterRules(), ())
    together = await PairSource(database, jobs=2).preview(RULES, FilterRules(), ())
    assert alone.fresh == together.fresh
    assert len(alone.fresh) > 10


async def test_a_pair_trains_nothing_while_its_loser_is_given_free(
    source: PairSource, tmp_path: Path
) -> None:
    await source.freeze(FilterRules(), {}, tmp_path)
    word = Feedback("fb-1", "harm-1", "overturn", "k", "operator", candidate=0)
    store = FeedbackStore(source.database)
    await store.keep(word, noted=False)
    assert [pair.provenance.exchange_id for pair in await source.pairs()] == ["good-23"]
    await store.remove("fb-1", "tests")
    assert len(await source.pairs()) == 2
