"""A version's way into real traffic: a gateway in a process of its own, its ledger, and an engine that is scripted."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from finetune.rollout.book import Book
from finetune.rollout.contract import Live
from finetune.rollout.controller import advance
from finetune.rollout.plan import RolloutRules
from finetune.rollout.registry import GatewayRegistry
from finetune.runs import Worker
from gateway.admin.client import AdminClient
from gateway.ledger.database import Database
from gateway.ledger.rollout_tables import OutcomeRow
from tests.fakes.engine import FakeEngine, Script, fake_engine
from tests.fakes.gateway_alone import GatewayAlone, gateway_alone, key_in, policy_file

pytestmark = pytest.mark.slow  # starts a gateway

SHADOW = RolloutRules(
    shadow_pairs=8, step_pairs=8, shares=(0.5,), flagged_margin=0, settle_seconds=0, shadow_share=1
)
CANARY = RolloutRules(shadow_share=0, step_pairs=8, shares=(0.5,), flagged_margin=0, settle_seconds=0)
FLAGGED = Script(texts=("A red herring.",))
NEW = "v2"


class Scene:
    """The gateway, the engine behind it, and whoever moves versions."""

    def __init__(
        self, engine: FakeEngine, gateway: GatewayAlone, database: Database, admin: AdminClient
    ) -> None:
        self.engine, self.gateway, self.database = engine, gateway, database
        self.registry = GatewayRegistry(admin)
        self.book = Book(database, Worker("w1", 60.0))
        self.asked = 0

    async def begin(self, rules: RolloutRules, adapter: Path) -> None:
        """Stage the new version, and bring it out of the stage."""
        await self.registry.register(NEW, adapter, {"parent": "base"})
        await self.registry.stage(NEW)
        await self.book.open("assistant", NEW, Live("base", None, {"base": 1.0}), rules, "rt-1")
        await self.look()
        await asyncio.sleep(1.2)  # until the gateway follows

    async def look(self) -> list[str]:
        """Move what may be moved."""
        return [each.move.state for each in await advance(self.book, self.registry)]

    async def ask(self, times: int) -> list[str]:
        """So many conversations; which version answered each."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            return [await self._one(client) for _ in range(times)]

    async def _one(self, client: httpx.AsyncClient) -> str:
        self.asked += 1
        body = {"model": "assistant", "messages": [{"role": "user", "content": f"Question {self.asked}?"}]}
        url = f"{self.gateway.url}/v1/chat/completions"
        answer = await client.post(url, json=body, headers=self.gateway.headers)
        assert "herring" not in answer.text or answer.headers["x-trimtab-version"] == NEW
        return answer.headers["x-trimtab-version"]

    async def outcomes(self, least: int) -> list[tuple[str, bool]]:
        """Arm and flag of every outcome, once so many are there."""
        until = time.monotonic() + 20
        while True:
            async with self.database.read() as connection:
                query = select(OutcomeRow.arm, OutcomeRow.flagged).order_by(OutcomeRow.seq)
                found = [(arm, flagged) for arm, flagged in await connection.execute(query)]
            if len(found) >= least or time.monotonic() > until:
                return found
            await asyncio.sleep(0.1)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    home = tmp_path / "home"
    home.mkdir()
    key = await key_in(home, "admin")
    with fake_engine() as (engine, server):
        variables = {"GUARDS__POLICY": str(policy_file(home)), "ALIAS": "assistant"}
        async with (
            gateway_alone(home, f"{server.url}/v1", **variables) as gateway,
            Database(f"sqlite+aiosqlite:///{home / 'ledger.db'}") as database,
            AdminClient(gateway.admin_url, key) as admin,
        ):
            yield Scene(engine, gateway, database, admin)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """What the gateway takes for an adapter."""
    path = tmp_path / "adapter"
    path.mkdir()
    (path / "adapter_config.json").write_text("{}")
    (path / "adapter_model.safetensors").write_text("weights")
    return path


async def test_a_shadow_is_shown_requests_and_answers_nobody(scene: Scene, adapter: Path) -> None:
    await scene.begin(SHADOW, adapter)
    assert set(await scene.ask(10)) == {"base"}
    found = await scene.outcomes(20)
    assert sorted(arm for arm, _ in found) == ["shadow"] * 10 + ["stable"] * 10
    assert await scene.look() == ["canary"]


async def test_a_shadow_that_is_flagged_never_reaches_a_client(scene: Scene, adapter: Path) -> None:
    scene.engine.by_model[NEW] = FLAGGED
    await scene.begin(SHADOW, adapter)
    await scene.ask(30)
    found = await scene.outcomes(60)
    assert all(flagged == (arm == "shadow") for arm, flagged in found)
    assert await scene.look() == ["rolled_back"]
    assert set(await scene.ask(5)) == {"base"}


async def test_a_canary_answers_its_share_and_goes_live(scene: Scene, adapter: Path) -> None:
    await scene.begin(CANARY, adapter)
    assert {"base", NEW} == set(await scene.ask(60))
    assert len(await scene.outcomes(60)) == 60
    assert await scene.look() == ["live"]
    await asyncio.sleep(1.2)
    assert set(await scene.ask(5)) == {NEW}


async def test_a_flagged_canary_is_rolled_back_in_one_step(scene: Scene, adapter: Path) -> None:
    scene.engine.by_model[NEW] = FLAGGED
    await scene.begin(CANARY, adapter)
    await scene.ask(80)
    await scene.outcomes(80)
    assert await scene.look() == ["rolled_back"]
    assert set(await scene.ask(5)) == {"base"}


async def test_a_shadow_whose_engine_fails_counts_as_failed(scene: Scene, adapter: Path) -> None:
    await scene.begin(SHADOW, adapter)
    scene.engine.by_model[NEW] = Script(refuse=(500, {"error": {"message": "no"}}))
    await scene.ask(3)
    await scene.outcomes(6)
    async with scene.database.read() as connection:
        query = select(OutcomeRow.arm, OutcomeRow.failed).order_by(OutcomeRow.arm)
        found = [tuple(row) for row in await connection.execute(query)]
    assert found == [("shadow", True)] * 3 + [("stable", False)] * 3
