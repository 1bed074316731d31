"""A million exchanges in the ledger to pairs: how long it takes on two cores, and in how much memory.

    python -m tests.bench.loop million [--quick]

Exchanges of four candidates each, whose texts were really screened by the bundled policy, are copied with other
rewards; the time is that of a process of its own that reads all of them, makes pairs and keeps them.
"""

import asyncio
import importlib.util
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.exchange import Exchange
from gateway.ledger.database import Database
from gateway.ledger.evidence_tables import EvidenceRow
from gateway.ledger.insertion import Insertion
from gateway.ledger.intake import Intake
from gateway.ledger.rows import Rows, rows_of
from gateway.ledger.tables import CandidateRow, ExchangeRow, FindingRow
from tests.bench.backtest import BATCH, PATTERNS, pattern

ROWS, FEW = 1_000_000, 20_000
CANDIDATES = 4
BAR_SECONDS = 600.0
WORK = """
import asyncio, hashlib, json, resource, sys, time
from sqlalchemy import text
from finetune.pairs.make import MakeRules
from finetune.pairs.sources import PairSource
from gateway.ledger.database import Database

async def main():
    began = time.monotonic()
    async with Database(sys.argv[1]) as database:
        source = PairSource(database, window=10**9, jobs=int(sys.argv[2]), cluster=sys.argv[3] or None)
        found = await source.gather(MakeRules())
        async with database.read() as connection:
            ids = hashlib.sha256()
            async for row in await connection.stream(text("SELECT id FROM pairs ORDER BY rowid")):
                ids.update(row.id.encode())
    own, theirs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"seconds": time.monotonic() - began, "exchanges": found.exchanges, "pairs": found.new,
                      "ids": ids.hexdigest(),
                      "megabytes": own.ru_maxrss / 1024, "worker_megabytes": theirs.ru_maxrss / 1024}))

if __name__ == "__main__":
    asyncio.run(main())
"""


def measure(quick: bool) -> dict[str, Any]:
    """Seconds, and the largest memory of the process that keeps pairs and of one that makes them."""
    rows = FEW if quick else ROWS
    with tempfile.TemporaryDirectory() as folder:
        ledger, script = Path(folder) / "ledger.db", Path(folder) / "work.py"
        asyncio.run(begin(ledger))
        fill(ledger, rows)
        script.write_text(WORK)
        found = gathered(script, ledger, jobs=2)
        again = on_ray(script, ledger)
    how = f"{found['exchanges']:,} exchanges of {CANDIDATES} candidates, {found['pairs']:,} pairs, 2 processes, SQLite"
    figures = {} if again is None else ray_figures(found, again)
    return figures | {
        "million_seconds": {
            "value": found["seconds"],
            "bar": None if quick else BAR_SECONDS,
            "met": None if quick else found["seconds"] <= BAR_SECONDS,
            "how": how,
        },
        "million_megabytes": {
            "value": found["megabytes"],
            "bar": None,
            "met": None,
            "how": f"{how}; resident at most, and {found['worker_megabytes']:.0f} in a process beside it",
        },
    }


def on_ray(script: Path, ledger: Path) -> dict[str, Any] | None:
    """The same on a Ray of this machine, from a ledger without pairs; None where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        return None
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("DELETE FROM pairs")
    return gathered(script, ledger, jobs=2, cluster="local")


def ray_figures(found: dict[str, Any], again: dict[str, Any]) -> dict[str, Any]:
    """How long it took there, and whether the same pairs came of it in the same order."""
    same = (found["ids"], found["pairs"]) == (again["ids"], again["pairs"])
    how = f"{again['pairs']:,} pairs on a local Ray with two processes; ids in the order in which they were kept"
    return {
        "million_on_ray_seconds": {"value": again["seconds"], "bar": None, "met": None, "how": how},
        "million_on_ray_same": {"value": float(same), "bar": 1.0, "met": same, "how": how},
    }


def gathered(script: Path, ledger: Path, jobs: int, cluster: str = "") -> dict[str, Any]:
    """What a process of its own made of the ledger."""
    command = [sys.executable, str(script), f"sqlite:///{ledger}", str(jobs), cluster]
    environment = {"PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, check=True, capture_output=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def begin(ledger: Path) -> None:
    """A new ledger with each pattern in it once, so that panels are known."""
    async with Database(f"sqlite:///{ledger}") as database:
        await Intake(database).take([await ranked(number) for number in range(PATTERNS)])


async def ranked(number: int) -> Exchange:
    """An exchange of several candidates, ranked."""
    several = [await pattern(number + PATTERNS * place) for place in range(CANDIDATES)]
    candidates = tuple(
        replace(each.candidates[0], index=place, reward=0.0) for place, each in enumerate(several)
    )
    return replace(several[0], strategy="best_of_n", candidates=candidates)


def fill(ledger: Path, rows: int) -> None:
    """Copies of the patterns with other ids, other texts and other rewards, until there are so many."""
    patterns = [rows_of([asyncio.run(ranked(number))]) for number in range(PATTERNS)]
    dialect = Database(f"sqlite:///{ledger}")._engine.dialect  # how SQLAlchemy writes to it
    tables = [table.__table__ for table in (ExchangeRow, CandidateRow, FindingRow, EvidenceRow)]
    samples = [next(filter(None, (own(each)[place] for each in patterns)), None) for place in range(4)]
    inserted = [
        Insertion(table, tuple(some[0]), dialect) if some else None
        for table, some in zip(tables, samples, strict=True)
    ]
    connection = sqlite3.connect(ledger)
    connection.execute("PRAGMA synchronous=OFF")
    chance = random.Random(7)
    for start in range(PATTERNS, rows, BATCH):
        copies = [
            copied(patterns[number % PATTERNS], number, chance)
            for number in range(start, min(start + BATCH, rows))
        ]
        for place, insertion in enumerate(inserted):
            if insertion is not None:
                values = [insertion.parameters(row) for copy in copies for row in copy[place]]
                connection.executemany(insertion.statement, values)
        connection.commit()
    connection.close()


def own(rows: Rows) -> list[list[dict[str, Any]]]:
    """The rows by table."""
    return [rows.exchanges, rows.candidates, rows.findings, rows.evidence]


def copied(rows: Rows, number: int, chance: random.Random) -> list[list[dict[str, Any]]]:
    """One exchange more: its question and answers are told apart by its number."""
    name = f"{number:012x}-copy"
    messages = [*rows.exchanges[0]["messages"][:-1], {"role": "user", "content": f"Question {number}?"}]
    candidates = [
        row | {"exchange_id": name, "text": f"{row['text']} {number}", "reward": chance.gauss(0.0, 1.0)}
        for row in rows.candidates
    ]
    return [
        [rows.exchanges[0] | {"id": name, "messages": messages}],
        candidates,
        [row | {"exchange_id": name} for row in rows.findings],
        [row | {"exchange_id": name} for row in rows.evidence],
    ]
