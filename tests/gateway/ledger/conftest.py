import pytest

from gateway.ledger.database import Database
from gateway.ledger.store import Ledger


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
async def database(url):
    async with Database(url) as opened:
        yield opened


@pytest.fixture
async def ledger(url, tmp_path):
    async with Ledger.open(url, tmp_path / "journal") as opened:
        yield opened
