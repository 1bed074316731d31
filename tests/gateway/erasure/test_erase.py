"""A person is forgotten: their words are in no table and no journal, and what was made of them is named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Text, cast, insert, select
from typer.testing import CliRunner

from gateway.erasure.cli import app
from gateway.erasure.erase import erase, erasures
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.learning_tables import DatasetPairRow, DatasetRow, FeedbackRow
from gateway.ledger.responses import Keeping, Responses, Stored
from gateway.ledger.store import Ledger
from gateway.ledger.tables import DeadLetterRow, ExchangeRow, PairRow, Table, VersionRow
from tests.fakes.exchanges import benign, candidate, exchange, harmful

WORD = "zanzibarensis"  # of the person who asks to be forgotten, and of nobody else
ADA = "ada@example.com"


@pytest.fixture
async def database(tmp_path: Path) -> Any:
    async with Database(f"sqlite:///{tmp_path}/ledger.db") as database:
        yield database


def theirs(name: str = "x-ada") -> Any:
    """An exchange of which every text holds the word."""
    said = candidate(0, f"Dear {WORD}.", 1.0)
    refused = candidate(1, f"Bad {WORD}.", -1.0, hazard="vcr")
    return exchange(name, f"I am {WORD}.", said, refused, subject=ADA)


async def filled(database: Database) -> None:
    """Ada's exchange and everything that came of it, and somebody else's."""
    await Intake(database).take([theirs(), benign(1, subject="bob"), harmful(2)])
    now = datetime.now(UTC)
    pair = {
        "content_hash": "p1",
        "exchange_id": "x-ada",
        "prompt": [{"role": "user", "content": WORD}],
        "chosen": WORD,
        "rejected": WORD,
        "provenance": {"subject": ADA, "kind": "safety"},
        "subject": ADA,
        "created_at": now,
    }
    other = pair | {"id": "p2", "content_hash": "p2", "exchange_id": "good-1", "subject": "bob"}
    other |= {"prompt": [], "chosen": "a", "rejected": "b", "provenance": {}}
    said = {"exchange_id": "x-ada", "kind": "edit", "text": WORD, "key_id": "k", "role": "operator"}
    dataset = {"kind": "pairs", "path": "/nowhere", "rows": 1, "counts": {}, "created_at": now}
    version = {"base": "m", "parent": None, "state": "staged", "created_at": now}
    async with database.write() as connection:
        await connection.execute(insert(PairRow), [pair | {"id": "p1"}, other])
        await connection.execute(
            insert(FeedbackRow), [said | {"id": "f1", "created_at": now, "subject": ADA}]
        )
        await connection.execute(insert(DatasetRow), [dataset | {"sha256": "d1"}, dataset | {"sha256": "d2"}])
        held = [{"dataset": "d1", "pair": "p1"}, {"dataset": "d2", "pair": "p2"}]
        await connection.execute(insert(DatasetPairRow), held)
        made = [
            version | {"id": "v1", "lineage": {"dataset": "d1"}},
            version | {"id": "v2", "lineage": {"dataset": "d2"}},
            version | {"id": "v3", "parent": "v1", "lineage": {"dataset": "d2", "anchor": "last"}},
        ]
        await connection.execute(insert(VersionRow), made)
        letter = {"exchange_id": "dead", "reason": "r", "recorded_at": now}
        document = f'{{"subject": "{ADA}", "text": "{WORD}"}}'
        await connection.execute(insert(DeadLetterRow).values(**letter, document=document))
    stored = Stored("r1", "k", {"user": ADA, "output": [{"text": WORD}]}, [{"text": WORD}])
    await Responses(database, Keeping(timedelta(days=1), 10_000)).keep(stored)


async def places(database: Database, word: str) -> list[str]:
    """The columns of all tables in which a word stands."""
    found = []
    async with database.read() as connection:
        for table in Table.metadata.sorted_tables:
            for column in table.columns:
                query = select(column).where(cast(column, Text).contains(word)).limit(1)
                if (await connection.execute(query)).first() is not None:
                    found.append(f"{table.name}.{column.name}")
    return found


async def test_no_table_holds_a_word_of_theirs(database: Database) -> None:
    await filled(database)
    assert len(await places(database, WORD)) > 8
    await erase(database, ADA, "asked to", "tests")
    assert await places(database, WORD) == []
    assert await places(database, ADA) == []


async def test_what_was_made_of_it_is_named(database: Database) -> None:
    await filled(database)
    found = await erase(database, ADA, "asked to", "tests")
    assert found.counts == {"exchanges": 1, "pairs": 1, "feedback": 1, "responses": 1, "dead_letters": 1}
    assert found.datasets == ["d1"]
    assert found.versions == ["v1", "v3"]
    assert (await erasures(database, 5))[0]["versions"] == ["v1", "v3"]


async def test_others_stay_as_they_are(database: Database) -> None:
    await filled(database)
    await erase(database, ADA, "asked to", "tests")
    async with database.read() as connection:
        kept = await connection.execute(select(ExchangeRow.id).where(ExchangeRow.erased_at.is_(None)))
        pairs = await connection.scalar(select(PairRow.chosen).where(PairRow.id == "p2"))
        datasets = await connection.execute(select(DatasetRow.sha256).where(DatasetRow.erased_at.is_(None)))
        assert sorted(kept.scalars()) == ["good-1", "harm-2"]
        assert (pairs, list(datasets.scalars())) == ("a", ["d2"])


async def test_an_exchange_still_counts_for_its_version(database: Database) -> None:
    await filled(database)
    await erase(database, ADA, "asked to", "tests")
    async with database.read() as connection:
        row = (await connection.execute(select(ExchangeRow.__table__).where(ExchangeRow.id == "x-ada"))).one()
    assert (row.version, row.flagged, row.messages) == ("base", True, [])


async def test_what_was_on_its_way_does_not_come_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    async with Database(url) as database:
        await erase(database, ADA, "asked to", "tests")
    old = replace(theirs(), created_at=datetime.now(UTC) - timedelta(hours=1))
    new = replace(theirs("x-new"), created_at=datetime.now(UTC) + timedelta(seconds=5))
    async with Ledger.open(url, tmp_path / "journal") as ledger:
        await ledger.record(old)
        await ledger.record(new)
    async with Database(url) as database, database.read() as connection:
        assert list(await connection.scalars(select(ExchangeRow.id))) == ["x-new"]


async def test_erasing_again_finds_nothing_more(database: Database) -> None:
    await filled(database)
    await erase(database, ADA, "asked to", "tests")
    again = await erase(database, ADA, "asked to", "tests")
    assert not any(again.counts.values())


async def test_a_name_with_odd_characters_is_found_everywhere(database: Database) -> None:
    name = 'ä"\\%_x'
    stored = Stored("r1", "k", {"user": name, "output": []}, [])
    spare = Stored("r2", "k", {"user": 'ä"\\zzx', "output": []}, [])
    responses = Responses(database, Keeping(timedelta(days=1), 10_000))
    await responses.keep(stored)
    await responses.keep(spare)
    assert (await erase(database, name, "asked to", "tests")).counts["responses"] == 1


def test_the_command_tells_what_it_reached(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["nobody", "--home", str(tmp_path)])
    assert said.exit_code == 0, said.output
    assert "erased: 0 exchanges" in said.output


async def test_no_byte_of_the_file_holds_a_word_of_theirs(database: Database, tmp_path: Path) -> None:
    await filled(database)
    assert held_in(tmp_path, WORD)
    assert held_in(tmp_path, ADA)
    await erase(database, ADA, "asked to", "k")
    assert not held_in(tmp_path, WORD)
    assert not held_in(tmp_path, ADA)


def held_in(folder: Path, word: str) -> list[str]:
    """The ledger's files that a word's bytes stand in, its log among them."""
    return [each.name for each in folder.glob("ledger.db*") if word.encode() in each.read_bytes()]
