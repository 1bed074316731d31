"""Keys in a real SQLite ledger."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.ledger.database import Database
from gateway.tenants.keys import KeyStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[KeyStore]:
    async with Database(f"sqlite:///{tmp_path / 'ledger.db'}") as database:
        yield KeyStore(database, actor="test")
