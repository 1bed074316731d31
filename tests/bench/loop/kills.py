"""kill -9 of worker, gateway, engine and database as each step of a retraining begins: what becomes of the run.

    python -m tests.bench.loop kills [--quick]

Training and exams are stood in for; PostgreSQL, the gateway, the ledger's leases and steps, the registry and the
engine's table of adapters are real, and die by SIGKILL.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.tenants.keys import KeyStore
from gateway.tenants.terms import NO_TERMS
from tests.bench.loop.killing.parts import Engine, Gateway, Postgres
from tests.bench.loop.killing.trial import Stack, Trial, trial
from tests.fakes.exchanges import benign, harmful

VICTIMS = ("worker", "gateway", "engine", "database")
STEPS = (
    "live",
    "draw",
    "pairs",
    "dataset",
    "train",
    "exam before",
    "exam after",
    "gate",
    "register",
    "stage",
    "flip",
    "drain",
)
FEW = (("worker", "train"), ("gateway", "stage"), ("engine", "flip"), ("database", "register"))
say = Console(stderr=True)


def measure(quick: bool) -> dict[str, Any]:
    """How many runs came to their end by themselves, and how often something was done twice."""
    points = FEW if quick else tuple((victim, step) for step in STEPS for victim in VICTIMS)
    trials = run(points)
    wrong = [f"{each.victim} at {each.step}: {'; '.join(each.wrong)}" for each in trials if each.wrong]
    for line in wrong:
        say.print(f"[red]{line}[/]")
    slowest = max(trials, key=lambda each: each.seconds)
    how = "PostgreSQL, gateway, engine and worker as processes, SIGKILL as each step begins, started again after 0.3 s"
    return {
        "kill_points": {"value": len(trials), "bar": 40, "met": len(trials) >= 40, "how": how},
        "kills_survived": {
            "value": (len(trials) - len(wrong)) / len(trials),
            "bar": 1.0,
            "met": not wrong,
            "how": f"{how}; the run was promoted once, trained once, and its version answers; wrong: {wrong or 'none'}",
        },
        "kills_slowest_seconds": {
            "value": slowest.seconds,
            "bar": None,
            "met": None,
            "how": f"whole run, {slowest.victim} killed at {slowest.step}",
        },
    }


def run(points: tuple[tuple[str, str], ...]) -> list[Trial]:
    """One run after the other, over the same stack."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, stack(Path(folder)) as served:
        told = track(enumerate(points, 1), "kills", total=len(points), console=say)
        return [trial(served, victim, step, number) for number, (victim, step) in told]


@contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """Database, engine and gateway, with exchanges to learn from and keys to ask with."""
    database = Postgres(folder / "postgres")
    engine = Engine(folder / "engine.log")
    gateway = Gateway(folder / "home", engine.url, database.url)
    gateway.home.mkdir()
    served = Stack(folder, database, engine, gateway)
    try:
        database.start()
        engine.start()
        asyncio.run(filled(served))
        gateway.start()
        yield served
    finally:
        for part in (gateway, engine, database):
            with suppress(FileNotFoundError):
                part.kill()


async def filled(served: Stack) -> None:
    """Exchanges that give pairs, a key to ask with, and one to operate with."""
    async with Database(served.database.url) as database:
        made = [make(17 * i + i % 7) for i in range(12) for make in (harmful, benign)]
        await Intake(database).take(made)
        keys = KeyStore(database, "tests")
        _, served.key = await keys.create("bench", "application", NO_TERMS)
        _, served.admin_key = await keys.create("bench", "admin", NO_TERMS)
