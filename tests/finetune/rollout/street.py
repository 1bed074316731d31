"""Two gateways on one PostgreSQL before a scripted engine, and workers: processes, as operators start them."""

import asyncio
import itertools
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select

from finetune.rollout.book import Book
from finetune.rollout.contract import Live
from finetune.rollout.plan import RolloutRules
from finetune.rollout.registry import GatewayRegistry
from finetune.runs import Worker
from gateway.admin.client import AdminClient
from gateway.ledger.database import Database
from gateway.ledger.rollout_tables import OutcomeRow
from gateway.ledger.tables import TransitionRow
from gateway.tenants.keys import KeyStore
from tests.bench.loop.killing.parts import Gateway, Postgres, end
from tests.fakes.engine import FakeEngine, Script, fake_engine
from tests.fakes.gateway_alone import policy_file, started

LEASE_SECONDS = 1.5
FLAGGED = Script(texts=("A red herring.",))


@dataclass
class Street:
    """What stands there, and what is asked of it; each rollout is of a version of its own."""

    folder: Path
    engine: FakeEngine
    gateways: tuple[Gateway, Gateway]
    ledger: str
    keys: Mapping[str, str]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def admin(self, place: int) -> AdminClient:
        """One gateway's operator surface."""
        return AdminClient(self.gateways[place].admin_url, self.keys["admin"])

    async def begun(self, database: Database, rules: RolloutRules, script: Script | None = None) -> Book:
        """A rollout of a new version, which answers by the script; the book tells of it."""
        version = f"v{next(self.numbers)}"
        if script is not None:
            self.engine.by_model[version] = script
        book = Book(database, Worker("begins", LEASE_SECONDS))
        async with self.admin(0) as admin:
            registry = GatewayRegistry(admin)
            live = await registry.live("assistant")
            lineage = {"parent": "base", "retraining": f"rt-{version}"}
            await registry.register(version, self.adapter(version), lineage)
            await registry.stage(version)
        await book.open("assistant", version, Live(live.version, None, live.weights), rules, f"rt-{version}")
        return book

    def adapter(self, name: str) -> Path:
        """What the gateway takes for an adapter."""
        path = self.folder / name
        path.mkdir()
        (path / "adapter_config.json").write_text("{}")
        (path / "adapter_model.safetensors").write_text(name)
        return path

    async def ask(self, place: int) -> tuple[int, str]:
        """One new conversation with one gateway: the status, and the version that answered."""
        body = {"model": "assistant", "messages": [{"role": "user", "content": f"No {next(self.numbers)}?"}]}
        head = {"authorization": f"Bearer {self.keys['application']}"}
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            url = f"{self.gateways[place].url}/v1/chat/completions"
            answer = await client.post(url, json=body, headers=head)
        return answer.status_code, answer.headers.get("x-trimtab-version", "")

    @contextmanager
    def worker(self, place: int) -> Iterator[Any]:
        """`trimtab finetune rollout watch`, which moves traffic by one of the gateways."""
        home = self.folder / f"worker-{next(self.numbers)}"
        home.mkdir()
        variables = {
            "LEDGER__URL": self.ledger,
            "FINETUNE_ADMIN_URL": self.gateways[place].admin_url,
            "FINETUNE_ADMIN_KEY": self.keys["admin"],
            "FINETUNE_LEASE_SECONDS": str(LEASE_SECONDS),
        }
        command = [sys.executable, "-m", "gateway", "finetune", "rollout", "watch", "--every", "0.2"]
        process = started([*command, "--home", str(home)], home / "log", variables)
        try:
            yield process
        finally:
            end(process)


@dataclass(frozen=True, slots=True)
class Trail:
    """What was done in the course of a rollout, in order."""

    states: list[str]
    given: list[dict[str, float]]
    outcomes: int
    different: int  # outcomes by exchange and arm


async def trail_of(database: Database, rollout: str) -> Trail:
    """As the ledger tells it."""
    row, seen = TransitionRow, OutcomeRow
    steps = select(row.after).where(row.kind == "rollout_step", row.subject == rollout).order_by(row.id)
    moves = select(row.after, row.evidence).where(row.kind == "rollout").order_by(row.id)
    each = select(seen.exchange_id, seen.arm).where(seen.rollout_id == rollout)
    async with database.read() as connection:
        states = [
            f"{after['state']} {after.get('share', 0):g}" for (after,) in await connection.execute(steps)
        ]
        given = [
            dict(after)
            for after, evidence in await connection.execute(moves)
            if evidence.get("rollout") == rollout
        ]
        outcomes = await connection.scalar(select(func.count()).select_from(each.subquery()))
        different = await connection.scalar(select(func.count()).select_from(each.distinct().subquery()))
    return Trail(states, given, int(outcomes or 0), int(different or 0))


@contextmanager
def street(folder: Path) -> Iterator[Street]:
    """Everything but the workers."""
    with ExitStack() as stack:
        engine, behind = stack.enter_context(fake_engine())
        server = Postgres(folder / "postgres")
        server.start()
        stack.callback(server.kill)
        keys = asyncio.run(keys_in(server.url))
        policy = {"GUARDS__POLICY": str(policy_file(folder))}
        made = [
            Gateway(folder / name, f"{behind.url}/v1", server.url, settings=policy)
            for name in ("first", "second")
        ]
        for each in made:
            each.home.mkdir()
            stack.callback(each.kill)
            each.start()
        yield Street(folder, engine, (made[0], made[1]), server.url, keys)


async def keys_in(url: str) -> dict[str, str]:
    """A key to ask with, and one to operate with."""
    async with Database(url) as database:
        store = KeyStore(database, "tests")
        return {
            "application": (await store.create("asks", "application"))[1],
            "admin": (await store.create("moves", "admin"))[1],
        }
