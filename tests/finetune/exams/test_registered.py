"""What the ledger knows of datasets."""

from datetime import UTC, datetime

from sqlalchemy import insert

from finetune.exams.lineage import Standing
from finetune.exams.registered import LedgerRegistrar
from gateway.ledger.database import Database
from gateway.ledger.learning_tables import DatasetRow
from gateway.ledger.tables import PairRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def keep(database: Database, erased_at: datetime | None = None) -> None:
    row = {"sha256": "abc", "kind": "pairs", "path": "p", "rows": 1, "counts": {}, "created_at": NOW}
    async with database.write() as connection:
        await connection.execute(insert(DatasetRow), [row | {"erased_at": erased_at}])


async def keep_pair(database: Database, name: str, erased_at: datetime | None) -> None:
    texts = {"prompt": [], "chosen": "a", "rejected": "b", "provenance": {}}
    row = {"id": name, "content_hash": name, "created_at": NOW, "erased_at": erased_at}
    async with database.write() as connection:
        await connection.execute(insert(PairRow), [texts | row])


async def test_a_dataset_that_nobody_kept_is_unknown(database: Database) -> None:
    assert await LedgerRegistrar(database).standing("abc", []) == Standing(registered=False)


async def test_a_kept_dataset_stands(database: Database) -> None:
    await keep(database)
    await keep_pair(database, "one", None)
    assert await LedgerRegistrar(database).standing("abc", ["one"]) == Standing(registered=True)


async def test_erased_pairs_are_counted(database: Database) -> None:
    await keep(database)
    for name, erased_at in (("one", NOW), ("two", None), ("three", NOW)):
        await keep_pair(database, name, erased_at)
    assert (await LedgerRegistrar(database).standing("abc", ["one", "two"])).erased == 1


async def test_a_marked_dataset_is_erased(database: Database) -> None:
    await keep(database, NOW)
    assert (await LedgerRegistrar(database).standing("abc", [])).erased == 1
