"""The same ledger on a real PostgreSQL, which is started here, stopped and started again."""

import asyncio
import os
import random
import shutil
import socket
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, text

from gateway.exchange import LONGEST_SUBJECT
from gateway.ledger.contract import LedgerFailed, LedgerUnavailable, NotInLedger
from gateway.ledger.database import Database
from gateway.ledger.exchanges import Counts, Exchanges
from gateway.ledger.intake import Intake
from gateway.ledger.responses import Keeping, Responses
from gateway.ledger.store import Ledger
from gateway.ledger.tables import DeadLetterRow, ExchangeRow
from tests.gateway.ledger.exchanges import exchange, exchanges, few
from tests.gateway.ledger.test_migrations import difference
from tests.gateway.ledger.test_responses import answer

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
            await connection.execute(delete(DeadLetterRow))
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


async def test_a_stored_conversation_is_gone_on_from_deleted_and_swept(database):
    text = "a\0 conversation"
    kept = [answer("a", text=text), answer("b", "a"), answer("c", "b")]
    responses = Responses(database, Keeping(timedelta(days=1), 10_000))
    for each in kept:
        await responses.keep(each)
    assert await responses.conversation("c", "me", 10_000) == [item for each in kept for item in each.items]
    await responses.delete("a", "me")
    await Responses(database, Keeping(timedelta(0), 10_000)).keep(answer("old"))
    await responses.sweep()
    assert {each.id for each in await responses.among(["a", "b", "c", "old"], "me")} == {"b", "c"}
    with pytest.raises(NotInLedger):
        await responses.conversation("c", "me", 10_000)


async def test_a_slow_database_is_a_database_that_is_away(database, url):
    intake = Intake(database, patience_seconds=0.3)
    async with Database(url) as other, other.write():
        with pytest.raises(LedgerUnavailable, match="took more than"):
            await intake.take([exchange("x")])
    await Intake(database).take([exchange("x")])
    assert (await Exchanges(database).counts()).exchanges == 1


def failing_with(state):
    return text(f"DO $$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{state}'; END $$")


# A deadlock, a serialization failure, a full disk, too many connections, a lock and a statement timed out, an
# operator's word, a read error, and a standby that does not write yet.
@pytest.mark.parametrize(
    "state", ["40P01", "40001", "53100", "53300", "55P03", "57014", "57P01", "58030", "25006"]
)
async def test_what_passes_by_itself_means_that_the_database_is_away(database, state):
    with pytest.raises(LedgerUnavailable, match="is away"):
        async with database.write() as connection:
            await connection.execute(failing_with(state))


@pytest.mark.parametrize("state", ["22003", "23514", "54000"])
async def test_what_does_not_pass_is_a_refusal(database, state):
    with pytest.raises(LedgerFailed) as refused:
        async with database.write() as connection:
            await connection.execute(failing_with(state))
    assert not isinstance(refused.value, LedgerUnavailable)


@pytest.fixture
async def deadlocking(database):
    """Every insert of an exchange is the victim of a deadlock, until it is called."""
    function = "AS $f$ BEGIN RAISE 'deadlock' USING ERRCODE = '40P01'; END $f$"

    async def run(*statements):
        async with database.write() as connection:
            for each in statements:
                await connection.execute(text(each))

    await run(
        f"CREATE FUNCTION victim() RETURNS trigger LANGUAGE plpgsql {function}",
        "CREATE TRIGGER victim BEFORE INSERT ON exchanges EXECUTE FUNCTION victim()",
    )
    yield lambda: run("DROP FUNCTION IF EXISTS victim CASCADE")
    await run("DROP FUNCTION IF EXISTS victim CASCADE")


async def test_an_error_that_passes_by_itself_makes_no_dead_letter(database, deadlocking):
    batch = [exchange(f"x{number}") for number in range(4)]
    with pytest.raises(LedgerUnavailable):
        await Intake(database).take(batch)
    await deadlocking()
    await Intake(database).take(batch)
    assert await Exchanges(database).counts() == Counts(4, 4, 0)


@pytest.mark.parametrize("length", [LONGEST_SUBJECT, 100_000])
async def test_no_name_of_a_user_keeps_a_flagged_exchange_out_of_the_tables(database, length):
    dice = random.Random(1)  # what can be compressed would fit into an index
    subject = "".join(chr(dice.randrange(0x10000, 0x2FFFF)) for _ in range(length))
    await Intake(database).take([exchange("x", subject=subject)])
    assert await Exchanges(database).counts() == Counts(1, 1, 0)
    assert (await Exchanges(database).get("x")).subject == subject[:LONGEST_SUBJECT]


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
