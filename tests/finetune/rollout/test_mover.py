"""What a move leaves behind: told, and retired where nothing leads to it any more."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.errors import RolloutFailed
from finetune.notify import Webhook, telling
from finetune.rollout.book import Book
from finetune.rollout.contract import Drained, Live
from finetune.rollout.machine import Move
from finetune.rollout.mover import Mover
from finetune.rollout.plan import RolloutRules
from finetune.runs import Worker
from gateway.ledger.contract import LedgerUnavailable
from gateway.ledger.database import Database
from tests.finetune.rollout.test_controller import RULES, FakeTraffic, Scene
from tests.finetune.test_notify import HEADERS, LONGEST_SECONDS, Hook, dripping
from tests.serving import serving

AT_ONCE = RolloutRules(shares=(), shadow_share=0, flagged_margin=0, settle_seconds=0)


@dataclass
class FakeGateway(FakeTraffic):
    """Traffic in memory, and a list of what was to be unloaded."""

    drained: list[str] = field(default_factory=list)
    discarded: list[str] = field(default_factory=list)
    away: bool = False

    async def drain(self, old: Live, new: str, needed: Collection[str] = ()) -> Drained:
        if self.away:
            raise RolloutFailed("versions could not be listed")
        self.drained.append(new)
        return Drained(old.version, "it stays")

    async def discard(self, version: str, needed: Collection[str] = ()) -> Drained:
        if self.away:
            raise RolloutFailed("versions could not be listed")
        if version not in needed:
            self.discarded.append(version)
        return Drained(version, "it is retired")


class Away(Database):
    """A database that nobody reads from."""

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        raise LedgerUnavailable("the ledger is away")
        yield


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def scene(database: Database, gateway: FakeGateway) -> Scene:
    return Scene(database, gateway)


async def test_once_a_version_is_live_earlier_ones_are_retired(scene: Scene, gateway: FakeGateway) -> None:
    await scene.begun(AT_ONCE)
    await Mover(scene.book(), gateway).look()
    assert gateway.drained == ["v2"]


async def test_a_move_is_told_though_nothing_could_be_retired(
    scene: Scene, gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.away = True
    await scene.begun(AT_ONCE)
    moved = await Mover(scene.book(), gateway).look()
    assert [each.move.state for each in moved] == ["live"]
    assert "stays loaded: versions could not be listed" in caplog.text


async def test_what_is_rolled_back_is_discarded(scene: Scene, gateway: FakeGateway) -> None:
    await scene.begun()
    await Mover(scene.book(), gateway).look()
    assert gateway.discarded == []
    await scene.happened(30, flagged=True, arm="shadow")
    await Mover(scene.book(), gateway).look()
    assert (gateway.discarded, gateway.drained) == (["v2"], [])


async def test_what_somebodys_own_change_stopped_is_discarded(scene: Scene, gateway: FakeGateway) -> None:
    await scene.begun(RULES)
    gateway.held = {"base": 0.4, "v9": 0.6}
    await Mover(scene.book(), gateway).look()
    assert gateway.discarded == ["v2"]


async def test_what_another_rollout_is_about_is_left_loaded(scene: Scene, gateway: FakeGateway) -> None:
    await scene.begun()
    await scene.book().open("helper", "v2", Live("base", None, {"base": 1.0}), RULES, "rt-2")
    (ours, _) = await scene.book().running()
    await scene.book().ask(ours, Move("rolled_back", 0.0, "it is rude"), "ada")
    await Mover(scene.book(), gateway).look()
    assert gateway.discarded == []


async def test_what_cannot_be_discarded_is_rolled_back_all_the_same(
    scene: Scene, gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.away = True
    await scene.begun()
    await scene.happened(30, flagged=True, arm="shadow")
    moved = await Mover(scene.book(), gateway).look()
    assert [each.move.state for each in moved] == ["rolled_back"]
    assert "stays loaded: versions could not be listed" in caplog.text


async def test_a_ledger_that_is_away_after_a_move_undoes_nothing(
    scene: Scene, gateway: FakeGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.begun()
    await scene.happened(30, flagged=True, arm="shadow")
    moved = await Mover(scene.book(), gateway).look()
    async with Away(f"sqlite:///{tmp_path}/away.db") as away:
        await Mover(Book(away, Worker("w1", 30.0)), gateway).see_to(moved)
    assert "stays loaded: the ledger is away" in caplog.text


async def test_webhooks_hear_of_a_move(scene: Scene, gateway: FakeGateway) -> None:
    rollout = await scene.begun(AT_ONCE)
    with serving(hook := Hook()) as server:
        async with telling([Webhook(url=server.url)]) as notifier:
            await Mover(scene.book(), gateway, notifier).look()
    told = json.loads(hook.heard[0][1])
    assert (told["event"], told["rollout"], told["state"]) == ("rollout.moved", rollout, "live")


async def test_a_look_waits_for_no_webhook(scene: Scene, gateway: FakeGateway) -> None:
    await scene.begun(AT_ONCE)
    async with dripping(*HEADERS) as url, asyncio.timeout(LONGEST_SECONDS):
        hooks = [Webhook(url=url)]
        async with telling(hooks, patience_seconds=60, last_words_seconds=0) as notifier:
            assert await Mover(scene.book(), gateway, notifier).look()
