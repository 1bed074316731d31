"""What a budget has been spent on: hours in which somebody trained, whoever began and whoever went on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from safetensors import SafetensorError
from sqlalchemy import select, update

from finetune.claims import How, claim
from finetune.progress import Silence
from finetune.runs import Run, Worker
from finetune.spending import spent
from gateway.ledger.database import Database
from gateway.ledger.tables import RetrainingRow, RetrainingStepRow, TransitionRow

PARAMETERS = {"alias": "assistant"}
LEASE = timedelta(seconds=60)


@dataclass(frozen=True)
class Made:
    """What a training leaves behind."""

    told: str = "trained"


class Scene:
    """A ledger in which hours pass: whatever it holds grows older."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def claim(self, name: str, how: How = "either") -> Run:
        return await claim(self.database, Worker(name, LEASE.total_seconds()), PARAMETERS, Silence(), how)

    async def train(self, run: Run, meanwhile: Callable[[], Awaitable[object]]) -> None:
        async def work() -> Made:
            await meanwhile()
            return Made()

        await run.once("train", Made, work)

    async def left(self, name: str, hours: float) -> None:
        """A worker trains for so long, and is killed."""
        run = await self.claim(name)

        async def training() -> None:
            await self.pass_by(hours)
            await run.renew()
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await self.train(run, training)

    async def pass_by(self, hours: float) -> None:
        gone = timedelta(hours=hours)
        run, step, move = RetrainingRow, RetrainingStepRow, TransitionRow
        keys = {
            (run.id,): (run.created_at, run.lease_until, run.ended_at),
            (step.retraining_id, step.step): (step.started_at, step.ended_at),
            (move.id,): (move.created_at,),
        }
        async with self.database.write() as connection:
            for key, moments in keys.items():
                for row in (await connection.execute(select(*key, *moments))).all():
                    here = [column == row[i] for i, column in enumerate(key)]
                    found = zip(moments, row[len(key) :], strict=True)
                    older = {column.key: value - gone for column, value in found if value is not None}
                    await connection.execute(update(key[0].class_).where(*here).values(**older))

    async def hours(self) -> float:
        return (await spent(self.database, "assistant", datetime.now(UTC))).training_hours


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def about(hours: float) -> object:
    """So many hours, and a lease at most: nobody knows when in its lease a worker died."""
    return pytest.approx(hours, abs=LEASE.total_seconds() / 3600 + 0.01)


async def test_a_training_counts_from_its_beginning_to_its_end(scene: Scene) -> None:
    run = await scene.claim("w1")
    await scene.train(run, lambda: scene.pass_by(2))
    await run.end("kept", ("the gate refused",))
    await scene.pass_by(20)
    assert await scene.hours() == about(2)


async def test_one_that_still_trains_counts_until_now(scene: Scene) -> None:
    counted: list[float] = []

    async def training() -> None:
        await scene.pass_by(3)
        await run.renew()
        counted.append(await scene.hours())

    run = await scene.claim("w1")
    await scene.train(run, training)
    assert counted == [about(3)]


async def test_of_a_worker_that_died_nothing_counts_after_its_lease(scene: Scene) -> None:
    await scene.left("w1", hours=1)
    await scene.pass_by(20)
    assert await scene.hours() == about(1)


async def test_of_a_run_that_was_abandoned_nothing_counts_after_its_workers_lease(scene: Scene) -> None:
    await scene.left("w1", hours=1)
    await scene.pass_by(20)
    new = await scene.claim("w2", "new")
    await new.renew()
    await scene.pass_by(100)
    assert await scene.hours() == about(1)


async def test_hours_that_were_trained_count_on_once_a_run_is_taken_up_again(scene: Scene) -> None:
    await scene.left("w1", hours=9)
    await scene.pass_by(5)
    run = await scene.claim("w2")
    assert await scene.hours() == about(9)
    await scene.train(run, lambda: scene.pass_by(2))
    assert await scene.hours() == about(11)


async def test_hours_of_a_try_that_failed_count_too(scene: Scene) -> None:
    run = await scene.claim("w1")

    async def training() -> None:
        await scene.pass_by(4)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await scene.train(run, training)
    await scene.pass_by(1)
    await scene.train(await scene.claim("w1"), lambda: scene.pass_by(2))
    assert await scene.hours() == about(6)


async def test_of_a_training_that_the_week_cuts_what_lies_in_it_counts(scene: Scene) -> None:
    run = await scene.claim("w1")
    await scene.train(run, lambda: scene.pass_by(10))
    await run.end("kept", ("the gate refused",))
    await scene.pass_by(7 * 24 - 4)
    assert await scene.hours() == about(4)


async def test_anothers_training_is_not_counted(scene: Scene) -> None:
    run = await claim(scene.database, Worker("w1"), {"alias": "helper"}, Silence())
    await scene.train(run, lambda: scene.pass_by(2))
    assert await scene.hours() == 0


async def test_a_step_that_its_worker_left_has_an_end(scene: Scene) -> None:
    await scene.left("w1", hours=1)
    await scene.pass_by(20)
    await scene.claim("w2")
    row = RetrainingStepRow
    async with scene.database.read() as connection:
        ((state, took_from, to),) = await connection.execute(select(row.state, row.started_at, row.ended_at))
    assert state == "started"
    assert (to - took_from).total_seconds() / 3600 == about(1)


async def test_a_step_that_fails_of_what_nobody_foresaw_is_written_down_with_its_reason(scene: Scene) -> None:
    run = await scene.claim("w1")

    async def training() -> None:
        raise SafetensorError("No space left on device")

    with pytest.raises(SafetensorError):
        await scene.train(run, training)
    row = RetrainingStepRow
    async with scene.database.read() as connection:
        ((state, evidence),) = await connection.execute(select(row.state, row.evidence))
    assert (state, evidence) == ("failed", {"error": "SafetensorError: No space left on device"})
