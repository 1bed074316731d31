"""The watch with its parts: what goes on beside a retraining, and what is told to whom."""

import asyncio

from finetune.claims import How
from finetune.retrain import Outcome
from finetune.rollout.looking import Looking
from finetune.watch import Watch
from finetune.watching import kept_up
from gateway.ledger.database import Database
from tests.finetune.rollout.test_controller import Scene

LONGEST_SECONDS = 20.0


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
