"""A gateway that stores responses, and what its database holds of them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.fakes.gateway import Running, running_gateway


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stored") / "ledger.db"


@pytest.fixture(scope="module")
def served(file: Path) -> Iterator[Running]:
    limits = {"max_n": 8, "max_body_bytes": 100_000}
    with running_gateway(database=f"sqlite:///{file}", limits=limits) as running:
        yield running


@pytest.fixture
def away(file: Path) -> Iterator[None]:
    """The table is gone while a test runs."""
    with renamed(file, "responses", "elsewhere"):
        yield


@contextmanager
def renamed(file: Path, name: str, other: str) -> Iterator[None]:
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"ALTER TABLE {name} RENAME TO {other}")
        yield
        database.execute(f"ALTER TABLE {other} RENAME TO {name}")


@pytest.fixture
def written(file: Path) -> "Written":
    return Written(file)


class Written:
    """All that the database holds of responses, as text."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __str__(self) -> str:
        with closing(sqlite3.connect(self._file)) as database:
            return "\n".join(str(row) for row in database.execute("SELECT * FROM responses"))
