"""The ledger's database: SQLite out of the box, PostgreSQL by URL; its errors are translated here, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.ledger import jsontext
from gateway.ledger.contract import LedgerConflict, LedgerFailed, LedgerUnavailable
from gateway.ledger.url import read_url

MIGRATIONS = Path(__file__).parent / "migrations"
# Any number will do, as long as every gateway takes the same: who holds it may write, or migrate, alone.
PG_LOCK = 7_461_746_162
# PostgreSQL's errors that pass without any change of what was asked, by class or code: connections, transactions
# rolled back (a deadlock), sessions and locks timed out, resources, operators (statements timed out), the system, and
# a server that is read-only since a failover.
PASSING = ("08", "25006", "25P03", "25P04", "40", "53", "55P03", "57", "58")
# What is deleted is overwritten too: an erased text would stay readable in the file's free bytes.
PRAGMAS = (
    "busy_timeout=10000",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
)


class Database:
    """A pool of connections, and transactions on them."""

    def __init__(self, url: str) -> None:
        self.url = read_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _engine(self.url.render_as_string(hide_password=False), sqlite=self.sqlite)

    @property
    def name(self) -> str:
        """The URL as it may be shown: without its password."""
        return self.url.render_as_string(hide_password=True)

    @property
    def missing(self) -> bool:
        """Whether it is a file that is not there yet."""
        file = self.url.database if self.sqlite else None
        return bool(file) and not str(file).startswith((":memory:", "file:")) and not Path(str(file)).exists()

    async def open(self) -> Self:
        """Bring the schema up to date; raises LedgerUnavailable when the database is away."""
        if self.sqlite and self.url.database and not self.url.database.startswith((":memory:", "file:")):
            await asyncio.to_thread(make_private, Path(self.url.database))
        async with self.write() as connection:
            await connection.run_sync(_upgrade)
        return self

    async def close(self) -> None:
        """Give every connection back."""
        await self._engine.dispose()

    async def __aenter__(self) -> Self:
        try:
            return await self.open()
        except BaseException:
            await self.close()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads, and sees one moment throughout."""
        with _Translated(self.name):
            async with self._engine.connect() as connection:
                if not self.sqlite:
                    await connection.execution_options(isolation_level="REPEATABLE READ")
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes: alone, so that the order of sequence numbers is the order of commits."""
        with _Translated(self.name):
            async with self._engine.connect() as raw:
                connection = await raw.execution_options(writes=True)
                async with connection.begin():
                    if not self.sqlite:
                        await connection.execute(text(f"SELECT pg_advisory_xact_lock({PG_LOCK})"))
                    yield connection

    async def forget_log(self) -> None:
        """Empty SQLite's log, where earlier states of pages still lie, once nobody reads them; not PostgreSQL's."""
        if not self.sqlite:
            return
        with _Translated(self.name):
            async with self._engine.connect() as connection:
                plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await plain.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def make_private(file: Path) -> None:
    """Make a database file that only its owner can read, and shut one that others could; SQLite's own follow it.

    A folder is made for the owner alone too; one that is there stays as it is, and so does what is not ours.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):  # what cannot be opened either is told by the database
        file.touch(mode=0o600)
    for each in (file, *(file.with_name(file.name + ending) for ending in ("-wal", "-shm"))):
        with suppress(OSError):
            each.chmod(0o600)


def _engine(url: str, *, sqlite: bool) -> AsyncEngine:
    engine = create_async_engine(
        url, json_serializer=jsontext.dumps_text, json_deserializer=jsontext.loads, pool_pre_ping=not sqlite
    )
    if sqlite:
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    """Durable, patient, strict about references, forgetting; transactions begin where `_begin_sqlite` says."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the lock at once: one that began as a reader could be refused it without any wait."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


class _Translated:
    """Turns the database's errors into the ledger's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, IntegrityError):
            raise LedgerConflict(f"the ledger refuses this: {_reason(error)}") from error
        if is_away(error):
            raise LedgerUnavailable(f"the ledger ({self._name}) is away: {_reason(error)}") from error
        if isinstance(error, SQLAlchemyError):
            raise LedgerFailed(f"the ledger's database refused: {_reason(error)}") from error


def is_away(error: BaseException | None) -> bool:
    """Whether an error means that the database cannot answer now, rather than that it refuses this."""
    if isinstance(error, DBAPIError) and (error.connection_invalidated or _state(error).startswith(PASSING)):
        return True
    if type(error).__module__.startswith("asyncpg"):  # unwrapped only while connecting: starting up, full …
        return True
    return isinstance(error, OperationalError | InterfaceError | PoolTimeout | OSError)


def _state(error: DBAPIError) -> str:
    """The SQLSTATE; empty where the driver tells none. SQLAlchemy files most of PostgreSQL's under a plain error."""
    return str(getattr(error.orig, "sqlstate", None) or "")


def _reason(error: BaseException | None) -> str:
    """The driver's own words, without the statement and its parameters, which hold people's text."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}"
