"""What a move leaves behind: told, and retired where nothing leads to it any more."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from finetune.errors import RolloutFailed
from finetune.notify import Notifier, Webhook
from finetune.rollout.contract import Drained, Live
from finetune.rollout.mover import Mover
from finetune.rollout.plan import RolloutRules
from gateway.ledger.database import Database
from tests.finetune.rollout.test_controller import FakeTraffic, Scene
from tests.finetune.test_notify import Hook
from tests.serving import serving

AT_ONCE = RolloutRules(shares=(), shadow_share=0, flagged_margin=0, settle_seconds=0)


@dataclass
class FakeGateway(FakeTraffic):
    """Traffic in memory, and a list of what was to be unloaded."""

    drained: list[str] = field(default_factory=list)
    away: bool = False

    async def drain(self, old: Live, new: str, needed: Collection[str] = ()) -> Drained:
        if self.away:
            raise RolloutFailed("versions could not be listed")
        self.drained.append(new)
        return Drained(old.version, "it stays")


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


async def test_webhooks_hear_of_a_move(scene: Scene, gateway: FakeGateway) -> None:
    rollout = await scene.begun(AT_ONCE)
    with serving(hook := Hook()) as server:
        await Mover(scene.book(), gateway, Notifier([Webhook(url=server.url)])).look()
    told = json.loads(hook.heard[0][1])
    assert (told["event"], told["rollout"], told["state"]) == ("rollout.moved", rollout, "live")
