"""The same ledger on a real PostgreSQL, which is started here, stopped and started again."""

import asyncio
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from gateway.ledger.contract import LedgerUnavailable
from gateway.ledger.database import Database
from gateway.ledger.exchanges import Counts, Exchanges
from gateway.ledger.intake import Intake
from gateway.ledger.store import Ledger
from gateway.ledger.tables import ExchangeRow
from tests.gateway.ledger.exchanges import exchange, exchanges, few
from tests.gateway.ledger.test_migrations import difference

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("initdb"), reason="no PostgreSQL is installed"),
]


class Server:
    """A PostgreSQL of our own; as root, it runs as `nobody`, for it refuses root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        if os.getuid() == 0:
            for path in (folder, *folder.parents):
                if path.is_relative_to("/tmp") and path != Path("/tmp"):
                    path.chmod(0o755)
            shutil.chown(folder, "nobody")
        self.run("initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "--no-sync")

    def run(self, *command: object) -> None:
        user = "nobody" if os.getuid() == 0 else None
        subprocess.run(command, check=True, user=user, cwd=self.folder, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        log = self.folder / "log"
        self.run("pg_ctl", "-w", "-D", self.folder / "data", "-o", options, "-l", log, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-w", "-m", "immediate", "-D", self.folder / "data", "stop")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def url(server):
    return server.url


@pytest.fixture
async def database(url):
    async with Database(url) as opened:
        async with opened.write() as connection:
            await connection.execute(delete(ExchangeRow))
        yield opened


async def test_migrations_lead_to_the_tables(database):
    async with database.read() as connection:
        assert await connection.run_sync(difference) == []


@few
@given(st.lists(exchanges(), min_size=1, max_size=4, unique_by=lambda told: told.id))
async def test_any_exchanges_are_read_back_as_they_were_stored(database, told):
    async with database.write() as connection:
        await connection.execute(delete(ExchangeRow))
    await Intake(database).take(told)
    found, _ = await Exchanges(database).after(0, 10)
    assert found == told


async def test_one_that_the_tables_refuse_spoils_no_other(database):
    poison = exchange("x7", chosen=2**40)
    await Intake(database).take([exchange(f"x{n}") if n != 7 else poison for n in range(20)])
    assert await Exchanges(database).counts() == Counts(19, 19, 1)


async def test_gateways_that_store_at_once_commit_in_the_order_of_their_numbers(database, url):
    async with Database(url) as second:
        batches = [[exchange(f"{side}{n}{i}") for i in range(20)] for side in "ab" for n in range(10)]
        writers = [Intake(database), Intake(second)] * 10
        storing = asyncio.gather(*(w.take(b) for w, b in zip(writers, batches, strict=True)))
        seen, cursor = [], 0
        while len(seen) < 400:
            found, cursor = await Exchanges(database).after(cursor, 50)
            seen += [one.id for one in found]
        await storing
    assert len(set(seen)) == 400


async def test_a_slow_database_is_a_database_that_is_away(database, url):
    intake = Intake(database, patience_seconds=0.3)
    async with Database(url) as other, other.write():
        with pytest.raises(LedgerUnavailable, match="took more than"):
            await intake.take([exchange("x")])
    await Intake(database).take([exchange("x")])
    assert (await Exchanges(database).counts()).exchanges == 1


async def test_nothing_flagged_is_lost_while_the_database_is_away(server, database, tmp_path):
    async with Ledger.open(server.url, tmp_path / "journal") as ledger:
        await ledger.record(exchange("before"))
        assert await ledger.caught_up()
        server.stop()
        for number in range(300):
            await ledger.record(exchange(f"x{number}"))
        assert not await ledger.caught_up(0.2)
        assert "is away" in ledger.health.database
        server.start()
        assert await ledger.caught_up(30)
        assert ledger.health.healthy
        assert (await Exchanges(ledger.database).counts()).exchanges == 301


async def test_a_database_that_cannot_be_reached_is_named_without_its_password():
    with pytest.raises(LedgerUnavailable, match=r"someone:\*\*\*@127.0.0.1:1/"):
        await Database("postgresql://someone:secret@127.0.0.1:1/ledger").open()
