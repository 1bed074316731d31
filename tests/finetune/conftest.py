"""A real ledger, and exchanges to fill it with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.ledger.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(f"sqlite:///{tmp_path}/ledger.db") as database:
        yield database
