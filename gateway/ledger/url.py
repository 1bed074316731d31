"""The URL of a ledger's database: SQLite or PostgreSQL, each with the driver that we bring."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SQLITE, POSTGRESQL = "sqlite+aiosqlite", "postgresql+asyncpg"
DRIVERS = {
    "sqlite": SQLITE,
    SQLITE: SQLITE,
    "postgres": POSTGRESQL,
    "postgresql": POSTGRESQL,
    POSTGRESQL: POSTGRESQL,
}


def read_url(url: str) -> URL:
    """The URL, with its driver; raises ValueError, which repeats nothing of it, when it leads to no ledger."""
    try:
        parsed = make_url(url)
        return parsed.set(drivername=DRIVERS[parsed.drivername])
    except (ArgumentError, KeyError, ValueError):
        raise ValueError("must be sqlite:///… or postgresql://…") from None
