import asyncio

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from gateway.ledger.database import Database
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
