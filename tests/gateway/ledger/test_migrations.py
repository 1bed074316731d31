import asyncio
import sqlite3
from contextlib import closing

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from gateway.ledger.database import MIGRATIONS, Database
from gateway.ledger.tables import Table


def difference(connection):
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return compare_metadata(context, Table.metadata)


async def test_migrations_lead_to_the_tables(database):
    async with database.read() as connection:
        assert await connection.run_sync(difference) == []


async def test_an_upgraded_database_is_left_as_it_is(url, database):
    async with Database(url) as again, again.read() as connection:
        tables = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    assert tables == {*Table.metadata.tables, "alembic_version"}


async def test_several_processes_may_open_a_new_database_at_once(url):
    databases = [Database(url) for _ in range(4)]
    await asyncio.gather(*(one.open() for one in databases))
    await asyncio.gather(*(one.close() for one in databases))


BEFORE = """
    INSERT INTO retrainings (id, state, running, parameters, reasons, created_at)
    VALUES ('rt-1', 'promoted', NULL, '{}', '[]', '2026-01-01 00:00:00');
    INSERT INTO pairs (id, content_hash, prompt, chosen, rejected, provenance, created_at)
    VALUES ('p1', 'p1', '[]', 'a', 'b', '{"key_id": "k1", "subject": "ada"}', '2026-01-01 00:00:00');
"""


async def test_what_an_earlier_version_kept_says_whose_it_is(tmp_path):
    file = tmp_path / "ledger.db"
    await asyncio.to_thread(upgraded_to, file, "0005")
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(BEFORE)
    async with Database(f"sqlite:///{file}") as database, database.read() as connection:
        pair = (await connection.execute(text("SELECT key_id, subject, erased_at FROM pairs"))).one()
        run = (await connection.execute(text("SELECT alias FROM retrainings"))).one()
    assert tuple(pair) == ("k1", "ada", None)
    assert tuple(run) == ("assistant",)


def upgraded_to(file, revision):
    """A ledger as an earlier version made it."""
    engine = create_engine(f"sqlite:///{file}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
