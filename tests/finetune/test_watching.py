"""The watch with its parts: what goes on beside a retraining, and what is told to whom."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert

from finetune.claims import How
from finetune.notify import Notifier, Webhook, telling
from finetune.retrain import Outcome
from finetune.rollout.looking import Looking
from finetune.schedule import WatchRules
from finetune.settings import load_situation
from finetune.watch import Watch
from finetune.watching import Watching, kept_up
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.tables import RouteRow, VersionRow
from tests.fakes.exchanges import candidate, exchange
from tests.finetune.rollout.test_controller import Scene
from tests.finetune.test_notify import Hook
from tests.serving import serving

LONGEST_SECONDS = 20.0


def watched(database: Database, home: Path, notifier: Notifier | None = None) -> Watching:
    """A watch that could begin no run: there is no key to move traffic with."""
    now = datetime.now(UTC)
    rules = WatchRules(drift_psi=0.25)
    return Watching(load_situation(home=home), rules, database, notifier or Notifier(), None, now)


async def many() -> int:
    return 1000


async def nothing_left() -> bool:
    return False


async def test_an_alarm_during_a_training_still_rolls_back(database: Database) -> None:
    scene = Scene(database)
    await scene.begun()
    await scene.look()

    async def training(how: How) -> Outcome:
        await scene.happened(40, flagged=True, arm="shadow")
        while (await scene.rollout()).state != "rolled_back":
            await asyncio.sleep(0.02)
        return Outcome("r", promoted=False, reasons=())

    watch = Watch(60.0, 1, many, nothing_left, training)
    await asyncio.wait_for(kept_up(watch, Looking(scene.look, 0.02), once=True), LONGEST_SECONDS)
    assert scene.traffic.held == {"base": 1.0}
    assert (await scene.rollout()).ended_at is not None


async def test_a_rollout_under_way_holds_the_next_run_back(database: Database, tmp_path: Path) -> None:
    watching = watched(database, tmp_path)
    assert await watching.held() is None
    rollout = await Scene(database).begun()
    assert await watching.held() == f"rollout {rollout} of v2 is under way"


async def drifting(database: Database) -> None:
    """Traffic of a version whose rewards lie elsewhere than when it was new."""
    row = {"id": "base", "base": "m", "lineage": {}, "state": "staged", "created_at": datetime.now(UTC)}
    async with database.write() as connection:
        await connection.execute(insert(VersionRow).values(**row))
        await connection.execute(insert(RouteRow).values(alias="assistant", version="base", weight=1.0))
    for name, count, lowest in (("new", 500, 0.0), ("old", 1000, 5.0)):
        answers = [candidate(i, "Gladly.", lowest + i / count) for i in range(count)]
        await Intake(database).take([exchange(name, "What goes into it?", *answers)])


async def test_of_a_drift_that_lasts_webhooks_hear_once(database: Database, tmp_path: Path) -> None:
    await drifting(database)
    with serving(hook := Hook()) as server:
        async with telling([Webhook(url=server.url)]) as notifier:
            watching = watched(database, tmp_path, notifier)
            reasons = [await watching.called() for _ in range(3)]
    assert all(reason is not None and reason.startswith("rewards drifted") for reason in reasons)
    assert [json.loads(body)["event"] for _, body in hook.heard] == ["drift"]
