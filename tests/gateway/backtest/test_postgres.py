"""A backtest on PostgreSQL comes to the same as on SQLite."""

import shutil

import pytest

from gateway.ledger.database import Database
from gateway.ledger.exchanges import Exchanges
from gateway.ledger.intake import Intake
from tests.gateway.backtest.test_backtest import MORE, STRICTER, changes, run
from tests.gateway.ledger.test_postgres import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("initdb"), reason="no PostgreSQL is installed"),
]


@pytest.fixture
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("postgres"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def copied(server, ledger):
    async with Database(ledger) as database:
        made, _ = await Exchanges(database).after(0, 100)
    async with Database(server.url) as database:
        await Intake(database).take(made)
    return server.url


@pytest.mark.parametrize(("draft", "jobs"), [(STRICTER, "1"), (MORE, "2")])
def test_it_comes_to_the_same(copied, ledger, policies, draft, jobs) -> None:
    written = policies("draft", draft)
    _, here = run(written, "--ledger", ledger, "--jobs", "1", "--since", "7d")
    _, there = run(written, "--ledger", copied, "--jobs", jobs, "--since", "7d")
    assert changes(there)
    assert there | {"seconds": 0} == here | {"seconds": 0}
