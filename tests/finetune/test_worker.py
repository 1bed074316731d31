"""The journey of a retraining over a real ledger, with a worker that is stopped, killed or overtaken."""

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from finetune.claims import How
from finetune.devices import Own
from finetune.errors import (
    FlipUndone,
    LeaseLost,
    NothingToResume,
    RolloutFailed,
    RolloutUnderWay,
    RunUnderWay,
    TrainingFailed,
    Unready,
)
from finetune.pairs.make import MakeRules
from finetune.pairs.sources import PairSource
from finetune.plan import Plan
from finetune.progress import Silence
from finetune.retrain import Outcome, Tools
from finetune.rollout.plan import AT_ONCE, RolloutRules
from finetune.runs import Worker
from finetune.train.contract import Rewarder
from finetune.worker import work
from gateway.ledger.contract import LedgerFailed, LedgerUnavailable
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow, TransitionRow
from tests.fakes.exchanges import benign, candidate, exchange, harmful
from tests.fakes.retraining import (
    Calls,
    FakeDrawer,
    FakeExaminer,
    FakeRegistry,
    FakeRollouts,
    FakeTrainer,
)

pytestmark = pytest.mark.slow  # seconds each: it trains, or starts what it asks

STEPS = ["live", "draw", "train", "examine before", "examine after", "register", "stage", "flip", "drain"]


class NoRoom(Own):
    """Devices of which it is plain that nothing will train on them."""

    async def check(self) -> None:
        raise TrainingFailed("the gateway has no engine 'c'")


def no_model() -> None:
    """As where the base's directory is gone."""
    raise Unready("recipe.base: models/base holds no model")


class Bench:
    """A ledger with a few dozen exchanges, a plan, and tools that count."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.calls = Calls()
        self.registry = FakeRegistry(self.calls)
        self.examiner = FakeExaminer(self.calls, folder / "exams")
        self.drawer = FakeDrawer(self.calls, folder)
        self.trainer = FakeTrainer(self.calls, folder / "adapters")
        self.rollouts = FakeRollouts(self.calls)
        self.tools = Tools(
            PairSource(database),
            self.drawer,
            self.trainer,
            self.examiner,
            self.registry,
            self.rollouts,
        )
        self.plan = Plan(
            datasets=folder / "datasets", fewest_pairs=20, make=MakeRules(margin_sd=0.5), rollout=AT_ONCE
        )

    async def fill(self, count: int = 24) -> "Bench":
        await Intake(self.database).take(
            [make(17 * i + i % 7) for i in range(count // 2) for make in (harmful, benign)]
        )
        return self

    async def work(self, name: str = "w1", *, lease_seconds: float = 30.0, how: How = "either") -> Outcome:
        worker = Worker(name, lease_seconds)
        return await work(self.database, worker, self.plan, self.tools, Silence(), how)

    async def all(self, table: Any, *columns: Any) -> list[Any]:
        async with self.database.read() as connection:
            return list(await connection.execute(select(*columns).select_from(table)))

    async def overtake(self) -> None:
        """Another worker takes the run over."""
        async with self.database.write() as connection:
            await connection.execute(update(RetrainingRow).values(owner="w9"))

    def stop_at(self, step: str, error: BaseException) -> None:
        """Raise once when a step is called."""
        self.stop_at_each({step: error})

    def stop_at_each(self, errors: Mapping[str, BaseException]) -> None:
        """Raise once when each of these steps is called."""
        left = dict(errors)

        def before(name: str) -> None:
            if name in left:
                raise left.pop(name)

        self.calls.before = before

    async def told_of(self, step: str) -> tuple[str, str]:
        """A step's state, and why it is undone."""
        row = RetrainingStepRow
        found = await self.all(row, row.step, row.state, row.evidence)
        return next((state, evidence.get("why", "")) for name, state, evidence in found if name == step)


@pytest.fixture
async def bench(database: Database, tmp_path: Path) -> Bench:
    return await Bench(database, tmp_path).fill()


async def test_exchanges_become_a_live_version(bench: Bench) -> None:
    outcome = await bench.work()
    assert outcome.promoted
    assert bench.calls.made == STEPS
    assert bench.registry.weights == {outcome.version: 1.0}


async def test_a_version_knows_its_data_its_parent_and_its_gate(bench: Bench) -> None:
    outcome = await bench.work()
    lineage = bench.registry.known[outcome.version or ""]
    assert (lineage["retraining"], lineage["parent"], lineage["pairs"]) == (outcome.run, "base", 24)
    assert all(condition["passed"] for condition in lineage["gate"])


async def test_a_version_knows_who_rewarded_its_training(bench: Bench) -> None:
    bench.trainer.rewarder = Rewarder("http://reward:8083", "pocket")
    outcome = await bench.work()
    lineage = bench.registry.known[outcome.version or ""]
    assert (lineage["rewarded_by"], lineage["reward_model"]) == ("http://reward:8083", "pocket")


async def test_a_failed_gate_changes_nothing_and_names_the_condition(bench: Bench) -> None:
    bench.examiner.after = 0.58
    outcome = await bench.work()
    assert not outcome.promoted
    assert any(reason.startswith("unsafe compliance falls (safety.unmoved):") for reason in outcome.reasons)
    assert bench.calls.made == STEPS[:5]
    assert bench.registry.weights == {"base": 1.0}


async def test_too_few_pairs_say_how_many_are_needed(bench: Bench) -> None:
    bench.plan = replace(bench.plan, fewest_pairs=100)
    outcome = await bench.work()
    assert "24 pairs are fit for training, 100 are needed: 76 more" in outcome.reasons[0]
    assert "train" not in bench.calls.made


async def test_only_what_is_trained_on_is_no_longer_new(bench: Bench) -> None:
    plan, bench.plan = bench.plan, replace(bench.plan, fewest_pairs=100)
    assert (await bench.work()).trained_on == 0
    assert await bench.tools.pairs.used() == set()
    bench.plan = plan
    assert (await bench.work()).trained_on == len(await bench.tools.pairs.used()) == 24


async def test_what_the_exam_asks_is_not_trained_on(bench: Bench) -> None:
    bench.examiner.asked = ("How do I carry out wicked plan number 0?",)
    outcome = await bench.work()
    assert bench.registry.known[outcome.version or ""]["pairs"] == 23


async def test_flagged_exchanges_with_nothing_to_compare_are_asked_again(bench: Bench) -> None:
    lone = exchange("lone", "how do I", candidate(0, "sure", -1.0, hazard="vcr"))
    await Intake(bench.database).take([lone])
    await bench.work()
    assert bench.drawer.asked == ["lone"]


async def test_every_transition_names_its_cause(bench: Bench) -> None:
    outcome = await bench.work()
    found = await bench.all(TransitionRow, TransitionRow.subject, TransitionRow.cause, TransitionRow.actor)
    assert len(found) == 2 * 12 + 2
    assert all(subject == outcome.run and cause and actor == "w1" for subject, cause, actor in found)


async def test_a_failure_is_written_down_and_leaves_room_for_the_next_run(bench: Bench) -> None:
    bench.stop_at("stage", ConnectionError("no engine"))
    with pytest.raises(ConnectionError):
        await bench.work()
    row = RetrainingRow
    assert await bench.all(row, row.state, row.running, row.reasons) == [
        ("failed", None, ["ConnectionError: no engine"])
    ]
    assert (await bench.work()).promoted


async def test_a_flip_that_was_undone_ends_the_run_and_is_not_tried_again(bench: Bench) -> None:
    bench.stop_at("flip", FlipUndone("rolled back to base"))
    outcome = await bench.work()
    assert (outcome.promoted, outcome.reasons) == (False, ("rolled back to base",))
    assert await bench.all(RetrainingRow, RetrainingRow.state) == [("kept",)]
    with pytest.raises(NothingToResume):
        await bench.work(how="resume")


UNDONE = FlipUndone("rolled back to base")
REFUSED = RolloutFailed("one new version at a time")
AWAY = RolloutFailed("versions could not be listed")


async def test_a_version_whose_flip_was_undone_is_unloaded(bench: Bench) -> None:
    bench.stop_at("flip", UNDONE)
    await bench.work()
    assert bench.calls.made == [*STEPS[:8], "discard"]
    state, why = await bench.told_of("stage")
    assert state == "undone"
    assert re.fullmatch(r"rolled back to base; policy-\w+ is retired", why)


async def test_what_cannot_be_unloaded_after_an_undone_flip_changes_no_outcome(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.stop_at_each({"flip": UNDONE, "discard": AWAY})
    assert (await bench.work()).reasons == ("rolled back to base",)
    assert "stays loaded until the next drain: versions could not be listed" in caplog.text
    assert "stays loaded until the next drain: versions" in (await bench.told_of("stage"))[1]


async def test_a_version_whose_rollout_is_refused_is_unloaded_and_staged_again_with_the_next_try(
    bench: Bench,
) -> None:
    bench.plan = replace(bench.plan, rollout=RolloutRules())
    bench.stop_at("open", REFUSED)
    with pytest.raises(RolloutFailed, match="one new version at a time"):
        await bench.work()
    assert (await bench.work(how="resume")).rollout is not None
    assert bench.calls.made == [*STEPS[:7], "open", "discard", "stage", "open"]
    assert (await bench.told_of("stage"))[0] == "done"


async def test_what_cannot_be_unloaded_after_a_refused_rollout_changes_no_outcome(bench: Bench) -> None:
    bench.plan = replace(bench.plan, rollout=RolloutRules())
    bench.stop_at_each({"open": REFUSED, "discard": AWAY})
    with pytest.raises(RolloutFailed, match="one new version at a time"):
        await bench.work()
    row = RetrainingRow
    assert await bench.all(row, row.state, row.reasons) == [("failed", ["one new version at a time"])]


async def test_a_worker_stopped_while_it_unloads_leaves_a_run_that_stages_again(bench: Bench) -> None:
    bench.plan = replace(bench.plan, rollout=RolloutRules())
    bench.stop_at_each({"open": REFUSED, "discard": asyncio.CancelledError()})
    with pytest.raises(asyncio.CancelledError):
        await bench.work()
    assert (await bench.work("w2")).rollout is not None
    assert bench.calls.made[-3:] == ["discard", "stage", "open"]


async def test_what_a_drain_unloaded_before_the_next_try_is_staged_again_for_its_rollout(
    bench: Bench,
) -> None:
    bench.plan = replace(bench.plan, rollout=RolloutRules())
    bench.stop_at("open", LedgerFailed("the ledger's database refused: disk full"))
    with pytest.raises(LedgerFailed):
        await bench.work()
    bench.registry.loaded.clear()
    assert (await bench.work(how="resume")).rollout is not None
    assert bench.calls.made == [*STEPS[:7], "open", "stage", "open"]


async def test_what_is_still_loaded_is_not_staged_again_for_its_rollout(bench: Bench) -> None:
    bench.plan = replace(bench.plan, rollout=RolloutRules())
    bench.stop_at("open", LedgerFailed("the ledger's database refused: disk full"))
    with pytest.raises(LedgerFailed):
        await bench.work()
    assert (await bench.work(how="resume")).rollout is not None
    assert bench.calls.made == [*STEPS[:7], "open", "open"]


class Restarting(Database):
    """A database that is away for a while when told so."""

    away_until = 0.0

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        if time.monotonic() < self.away_until:
            raise LedgerUnavailable("the ledger is away: connection refused")
        async with super().write() as connection:
            yield connection


@pytest.mark.parametrize("step", ["stage", "flip", "drain"])
async def test_a_database_that_is_away_before_a_step_costs_none(tmp_path: Path, step: str) -> None:
    async with Restarting(f"sqlite:///{tmp_path}/ledger.db") as database:
        bench = await Bench(database, tmp_path).fill()

        def before(name: str) -> None:
            if name == step:
                database.away_until = time.monotonic() + 0.7

        bench.calls.before = before
        assert (await bench.work(lease_seconds=6)).promoted
        assert bench.calls.made == STEPS


async def test_an_undone_flip_is_not_repeated_when_the_database_is_away_meanwhile(tmp_path: Path) -> None:
    async with Restarting(f"sqlite:///{tmp_path}/ledger.db") as database:
        bench = await Bench(database, tmp_path).fill()

        def before(name: str) -> None:
            if name == "flip":
                database.away_until = time.monotonic() + 0.7
                raise FlipUndone("rolled back to base")

        bench.calls.before = before
        assert (await bench.work(lease_seconds=6)).reasons == ("rolled back to base",)
        assert await bench.all(RetrainingRow, RetrainingRow.state) == [("kept",)]


async def away_during_an_exam(tmp_path: Path, seconds: float, lease_seconds: float) -> tuple[Bench, Outcome]:
    async with Restarting(f"sqlite:///{tmp_path}/ledger.db") as database:
        bench = await Bench(database, tmp_path).fill()

        async def restart() -> None:
            database.away_until = time.monotonic() + seconds
            bench.examiner.meanwhile = None

        bench.examiner.meanwhile = restart
        return bench, await bench.work(lease_seconds=lease_seconds)


async def test_a_database_that_is_away_for_a_moment_costs_no_step(tmp_path: Path) -> None:
    bench, outcome = await away_during_an_exam(tmp_path, seconds=1.0, lease_seconds=6)
    assert outcome.promoted
    assert bench.calls.made == STEPS


async def test_a_database_that_stays_away_ends_the_worker(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable):
        await away_during_an_exam(tmp_path, seconds=60, lease_seconds=1)


async def test_a_failed_run_is_taken_up_again_when_asked_for(bench: Bench) -> None:
    bench.stop_at("stage", ConnectionError("no engine"))
    with pytest.raises(ConnectionError):
        await bench.work()
    assert (await bench.work(how="resume")).promoted
    assert bench.calls.made == [*STEPS[:7], "stage", *STEPS[7:]]
    assert len(await bench.all(RetrainingRow, RetrainingRow.id)) == 1


async def test_there_must_be_something_to_resume(bench: Bench) -> None:
    with pytest.raises(NothingToResume, match="none yet"):
        await bench.work(how="resume")
    await bench.work()
    with pytest.raises(NothingToResume, match="was promoted"):
        await bench.work(how="resume")


@pytest.mark.parametrize("step", STEPS)
async def test_a_stopped_worker_leaves_its_run_to_the_next(bench: Bench, step: str) -> None:
    bench.stop_at(step, asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await bench.work()
    outcome = await bench.work("w2")
    assert outcome.promoted
    assert bench.calls.made == [name for name in STEPS for _ in range(1 + (name == step))]
    assert len(await bench.all(RetrainingRow, RetrainingRow.id)) == 1


async def test_a_run_goes_on_by_the_plan_it_began_with(bench: Bench) -> None:
    bench.stop_at("train", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await bench.work()
    bench.plan = replace(bench.plan, fewest_pairs=10_000)
    assert (await bench.work("w2")).promoted


async def test_only_one_worker_runs(bench: Bench) -> None:
    async def second() -> None:
        with pytest.raises(RunUnderWay, match="held by w1"):
            await bench.work("w2")

    refused: list[asyncio.Task[None]] = []
    bench.calls.before = lambda name: (
        refused.append(asyncio.create_task(second())) if name == "train" else None
    )
    assert (await bench.work("w1")).promoted
    await asyncio.gather(*refused)
    assert refused


async def test_a_worker_that_was_overtaken_writes_nothing_more(bench: Bench) -> None:
    bench.examiner.meanwhile = bench.overtake
    with pytest.raises(LeaseLost):
        await bench.work()
    row = RetrainingRow
    assert await bench.all(row, row.state, row.owner) == [("running", "w9")]


async def test_a_lost_lease_stops_even_a_long_step(bench: Bench) -> None:
    async def long() -> None:
        await bench.overtake()
        await asyncio.sleep(60)

    bench.examiner.meanwhile = long
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(bench.work(lease_seconds=0.3), 10)


async def test_an_unfinished_run_can_be_abandoned_for_a_new_one(bench: Bench) -> None:
    bench.stop_at("train", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await bench.work()
    assert (await bench.work("w2", how="new")).promoted
    assert sorted(state for (state,) in await bench.all(RetrainingRow, RetrainingRow.state)) == [
        "abandoned",
        "promoted",
    ]


async def test_a_run_does_not_begin_where_an_engine_that_it_should_borrow_is_unknown(bench: Bench) -> None:
    bench.tools = replace(bench.tools, devices=NoRoom())
    with pytest.raises(TrainingFailed, match="no engine 'c'"):
        await bench.work()
    assert not bench.calls.made
    assert not await bench.all(RetrainingRow, RetrainingRow.id)


async def test_what_is_trained_needs_no_engine_any_more(bench: Bench) -> None:
    bench.stop_at("examine after", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await bench.work()
    bench.tools = replace(bench.tools, devices=NoRoom(), trainable=no_model)
    assert (await bench.work("w2")).promoted


async def test_a_run_does_not_begin_where_there_is_no_model_to_train(bench: Bench) -> None:
    bench.tools = replace(bench.tools, trainable=no_model)
    with pytest.raises(Unready, match="holds no model"):
        await bench.work()
    assert not await bench.all(RetrainingRow, RetrainingRow.id)


async def test_none_begins_while_a_rollout_is_under_way(bench: Bench) -> None:
    bench.tools = replace(bench.tools, rollouts=FakeRollouts(bench.calls, "rollout ro-1 of v2 is under way"))
    with pytest.raises(RolloutUnderWay, match=r"rollout ro-1 of v2 is under way: wait for its end"):
        await bench.work()
    assert not bench.calls.made
    assert not await bench.all(RetrainingRow, RetrainingRow.id)


async def test_a_run_goes_on_while_the_rollout_is_under_way_that_it_began(bench: Bench) -> None:
    bench.plan = replace(bench.plan, rollout=RolloutRules())
    bench.stop_at("open", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await bench.work()
    bench.tools = replace(bench.tools, rollouts=FakeRollouts(bench.calls, "rollout ro-1 of v2 is under way"))
    assert (await bench.work("w2")).rollout is not None


async def test_step_by_step_a_retraining_ends_where_its_rollout_begins(bench: Bench) -> None:
    bench.plan = replace(bench.plan, rollout=RolloutRules())
    outcome = await bench.work()
    assert bench.calls.made[-1] == "open"
    assert outcome.rollout == f"ro-{outcome.run}"
    assert outcome.version is not None
    assert [state for (state,) in await bench.all(RetrainingRow, RetrainingRow.state)] == ["rolling out"]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from gateway.ledger.database import Database
from tests.finetune.test_worker import Bench

async def main():
    folder = Path(sys.argv[1])
    async with Database(f"sqlite:///{folder}/ledger.db") as database:
        bench = Bench(database, folder)
        bench.calls.before = lambda name: name == sys.argv[2] and os.kill(os.getpid(), signal.SIGKILL)
        await bench.work("doomed", lease_seconds=0.5)

asyncio.run(main())
"""


@pytest.mark.parametrize("step", ["train", "examine after", "stage", "drain"])
async def test_after_kill_9_another_worker_goes_on_at_the_same_step(
    bench: Bench, tmp_path: Path, step: str
) -> None:
    root = Path(__file__).parents[2]
    killed = [sys.executable, "-c", KILLED, str(tmp_path), step]
    died = await asyncio.to_thread(subprocess.run, killed, cwd=root, check=False)
    assert died.returncode == -signal.SIGKILL
    await asyncio.sleep(0.6)  # until its lease is over
    assert (await bench.work("heir")).promoted
    assert bench.calls.made == STEPS[STEPS.index(step) :]
