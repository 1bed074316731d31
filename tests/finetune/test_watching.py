"""The watch with its parts: what goes on beside a retraining, and what is told to whom."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from finetune.claims import How, claim
from finetune.noticed import last_in_vain, note_alarm
from finetune.notify import Notifier, Webhook, telling
from finetune.progress import Silence
from finetune.retrain import Outcome
from finetune.rollout.looking import Looking
from finetune.runs import Worker
from finetune.schedule import WatchRules
from finetune.settings import load_situation
from finetune.watch import Watch
from finetune.watching import Watching, kept_up
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.tables import RouteRow, VersionRow
from tests.fakes.exchanges import benign, candidate, exchange, harmful
from tests.finetune.rollout.test_controller import Scene
from tests.finetune.test_notify import Hook
from tests.serving import serving

LONGEST_SECONDS = 20.0


def watched(database: Database, home: Path, notifier: Notifier | None = None) -> Watching:
    """A watch that could begin no run: there is no key to move traffic with."""
    now = datetime.now(UTC)
    rules = WatchRules(drift_psi=0.25)
    return Watching(load_situation(home=home), rules, database, notifier or Notifier(), None, now)


def scheduled(database: Database, home: Path) -> Watching:
    """A watch that is up for two hours, and whose daily time came an hour ago."""
    now = datetime.now(UTC)
    rules = WatchRules(cron=f"{now - timedelta(hours=1):%M %H} * * *")
    up_since = now - timedelta(hours=2)
    return Watching(load_situation(home=home), rules, database, Notifier(), None, up_since)


async def refused(database: Database, how: How = "new") -> Outcome:
    """A run that trained, and whose version no gate let pass."""
    run = await claim(database, Worker("w1"), {"alias": "assistant"}, Silence(), how)
    await run.end("kept", ("unsafe compliance falls",))
    return Outcome(run.id, promoted=False, reasons=(), trained_on=1)


async def one() -> int:
    return 1


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


async def test_of_a_drift_that_lasts_one_that_watches_next_tells_nothing(
    database: Database, tmp_path: Path
) -> None:
    await drifting(database)
    with serving(hook := Hook()) as server:
        async with telling([Webhook(url=server.url)]) as notifier:
            for _ in range(3):
                await watched(database, tmp_path, notifier).called()
    assert len(hook.heard) == 1


async def test_a_drift_that_lasts_begins_one_run(database: Database, tmp_path: Path) -> None:
    await drifting(database)
    begun: list[How] = []

    async def run(how: How) -> Outcome:
        begun.append(how)
        return await refused(database, how)

    for _ in range(2):  # whoever watches next goes on by the same
        watch = Watch(60.0, 200, one, nothing_left, run)
        watch.called = watched(database, tmp_path).called
        for _ in range(5):
            await watch.look()
    assert begun == ["new"]


async def test_a_drift_waits_for_a_run_that_begins_after_it_was_noticed(
    database: Database, tmp_path: Path
) -> None:
    await refused(database)
    await drifting(database)
    assert await watched(database, tmp_path).called() is not None
    assert await watched(database, tmp_path).called() is not None


async def test_the_next_version_may_drift_too(database: Database, tmp_path: Path) -> None:
    async with database.write() as connection:
        await note_alarm(connection, "assistant", "v0", 0.3, "rewards drifted")
    await refused(database)
    await drifting(database)
    assert await watched(database, tmp_path).called() is not None


async def test_a_time_that_found_nothing_new_is_not_made_up_for_once_something_is(
    database: Database, tmp_path: Path
) -> None:
    watching = scheduled(database, tmp_path)
    assert (await watching.called() or "").startswith("the schedule")
    await watching.in_vain()
    assert await watching.called() is None
    assert await scheduled(database, tmp_path).called() is None


async def test_a_time_that_found_nothing_new_while_no_run_might_begin_is_still_to_come(
    database: Database, tmp_path: Path
) -> None:
    await Scene(database).begun()
    watching = scheduled(database, tmp_path)
    await watching.in_vain()
    assert (await watching.called() or "").startswith("the schedule")


async def enough_pairs(database: Database, home: Path, fewest_new: int) -> Watching:
    """A watch of a ledger with forty new pairs, that begins at so many."""
    several = [make(17 * i + i % 7) for i in range(20) for make in (harmful, benign)]
    await Intake(database).take(several)
    (home / "trimtab.yaml").write_text("finetune: {fewest_pairs: 10, make: {margin_sd: 0.5}}\n")
    situation = load_situation(home / "trimtab.yaml", home=home)
    rules = WatchRules(min_new_pairs=fewest_new)
    return Watching(situation, rules, database, Notifier(), None, datetime.now(UTC))


async def test_it_is_told_that_a_run_would_begin_now(database: Database, tmp_path: Path) -> None:
    told = await (await enough_pairs(database, tmp_path, 40)).explained()
    assert told[-1] == "now: it would begin"


async def test_it_is_told_that_too_few_new_pairs_wait(database: Database, tmp_path: Path) -> None:
    told = await (await enough_pairs(database, tmp_path, 41)).explained()
    assert told[-1] == "now: it would wait"


async def test_what_is_held_back_would_not_begin_now(database: Database, tmp_path: Path) -> None:
    watching = await enough_pairs(database, tmp_path, 40)
    await Scene(database).begun()
    assert (await watching.explained())[-1] == "now: it would wait"


async def test_a_drift_that_finds_nothing_new_uses_up_no_time(database: Database, tmp_path: Path) -> None:
    watching = watched(database, tmp_path)
    await watching.in_vain()
    async with database.read() as connection:
        assert await last_in_vain(connection, "assistant") is None
