"""Engines that sleep while a retraining trains: never the last, never for longer than its run lives."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from finetune.devices import Borrowing, SharingRules
from finetune.errors import TrainingFailed
from gateway.admin.lending import look
from gateway.ledger.tables import RetrainingRow
from tests.fakes.engine import fake_engine
from tests.fakes.managed_engine import ManagedEngine, managed_engine
from tests.gateway.admin.conftest import House, open_house
from tests.gateway.admin.weights.conftest import make_model

RUN = "rt-lending"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, list[ManagedEngine]]]:
    """A gateway with two managed engines."""
    folder = tmp_path_factory.mktemp("lending")
    started_on = make_model(folder / "base")
    with managed_engine(started_on) as (first, a), managed_engine(started_on) as (second, b):
        told = [
            {"name": name, "url": f"{server.url}/v1", "managed": True}
            for name, server in (("a", a), ("b", b))
        ]
        with open_house(folder, a.url, first, engines=told) as house:
            yield house, [first, second]


@pytest.fixture
def house(pair: tuple[House, list[ManagedEngine]]) -> Iterator[House]:
    """Both awake, and a run under way."""
    house, engines = pair
    on_loop(house, begun(house))
    yield house
    for name, engine in zip("ab", engines, strict=True):
        engine.sleeps = engine.wakes = True
        post(house, f"{name}/return", {"cause": "the test is over"})
        assert not engine.asleep
    on_loop(house, over(house))


@pytest.fixture
def engines(pair: tuple[House, list[ManagedEngine]]) -> list[ManagedEngine]:
    return pair[1]


def on_loop(house: House, work: Any) -> Any:
    return asyncio.run_coroutine_threadsafe(work, house.server.loop).result(30)


async def begun(house: House) -> None:
    assert house.tools.ledger is not None
    now = datetime.now(UTC)
    row = {"id": RUN, "state": "train", "alias": "assistant", "running": 1, "parameters": {}, "reasons": []}
    row |= {"owner": "w", "lease_until": now + timedelta(minutes=5), "created_at": now}
    async with house.tools.ledger.database.write() as connection:
        await connection.execute(insert(RetrainingRow).values(**row))


async def over(house: House) -> None:
    assert house.tools.ledger is not None
    async with house.tools.ledger.database.write() as connection:
        await connection.execute(delete(RetrainingRow))


async def worker_killed(house: House) -> None:
    """Nobody renews its lease any more."""
    assert house.tools.ledger is not None
    gone = update(RetrainingRow).values(lease_until=datetime.now(UTC) - timedelta(seconds=1))
    async with house.tools.ledger.database.write() as connection:
        await connection.execute(gone)


def post(house: House, path: str, body: dict[str, Any]) -> Any:
    with house.http() as client:
        return client.post(f"/admin/engines/{path}", json=body)


def lend(house: House, name: str = "a", **more: Any) -> Any:
    return post(house, f"{name}/lend", {"retraining": RUN, "timeout_seconds": 5, **more})


async def diverging(borrowing: Borrowing, engine: ManagedEngine) -> None:
    """A training that has the engine asleep, and fails."""
    async with borrowing.free(RUN):
        assert engine.asleep
        raise ValueError("diverged")


def test_a_lent_engine_sleeps_and_is_asked_nothing(house: House, engines: list[ManagedEngine]) -> None:
    assert lend(house).status_code == 200
    assert engines[0].asleep
    assert {house.ask(f"number {i}").status_code for i in range(8)} == {200}
    assert not engines[0].dead


def test_a_returned_engine_answers_again(house: House, engines: list[ManagedEngine]) -> None:
    lend(house)
    heard = len(engines[0].requests)
    assert post(house, "a/return", {"cause": "trained"}).json()["draining"] is False
    for i in range(8):
        house.ask(f"number {i} again")
    assert not engines[0].asleep
    assert len(engines[0].requests) > heard + 1  # the probe, and some of the eight


def test_the_last_engine_is_kept(house: House, engines: list[ManagedEngine]) -> None:
    lend(house)
    refused = lend(house, "b")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "last_engine")
    assert not engines[1].asleep
    assert lend(house, "b", allow_empty=True).status_code == 200
    assert engines[1].asleep


def test_an_engine_that_cannot_sleep_is_not_taken_out(house: House, engines: list[ManagedEngine]) -> None:
    engines[0].sleeps = False
    refused = lend(house)
    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "sleep_failed")
    assert "--enable-sleep-mode" in refused.json()["error"]["message"]
    with house.http("viewer") as client:
        told = {each["name"]: each for each in client.get("/admin/engines").json()["data"]}
    assert not told["a"]["draining"]


def test_a_run_that_nobody_holds_is_lent_nothing(house: House, engines: list[ManagedEngine]) -> None:
    on_loop(house, worker_killed(house))
    refused = lend(house)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "over")


def test_the_gateway_wakes_what_a_dead_worker_left_asleep(house: House, engines: list[ManagedEngine]) -> None:
    lend(house)
    assert house.tools.ledger is not None
    database = house.tools.ledger.database
    on_loop(house, look(house.tools, database))
    assert engines[0].asleep  # its worker lives
    on_loop(house, worker_killed(house))
    on_loop(house, look(house.tools, database))
    assert not engines[0].asleep
    assert not house.tools.engine.replica("a").draining


def test_what_does_not_wake_stays_out_until_it_does(house: House, engines: list[ManagedEngine]) -> None:
    lend(house)
    engines[0].wakes = False
    refused = post(house, "a/return", {"cause": "trained"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "wake_failed")
    assert house.tools.engine.replica("a").draining
    engines[0].wakes = True
    assert post(house, "a/return", {"cause": "trained"}).status_code == 200


async def test_a_training_has_the_engines_asleep_and_gives_them_back(
    house: House, engines: list[ManagedEngine]
) -> None:
    async with house.admin() as admin:
        borrowing = Borrowing(admin, SharingRules(engines=("a",)))
        with pytest.raises(ValueError, match="diverged"):
            await diverging(borrowing, engines[0])
    assert not engines[0].asleep


async def test_a_training_that_gets_no_engine_leaves_none_asleep(
    house: House, engines: list[ManagedEngine]
) -> None:
    async with house.admin() as admin:
        borrowing = Borrowing(admin, SharingRules(engines=("a", "b")))
        with pytest.raises(TrainingFailed, match=r"share_gpu\.engines: b cannot be had"):
            await diverging(borrowing, engines[0])
    assert not engines[0].asleep


def test_an_unmanaged_engine_is_refused(tmp_path: Path) -> None:
    with fake_engine() as (engine, behind), open_house(tmp_path, behind.url, engine) as house:
        refused = post(house, "fake/lend", {"retraining": RUN})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_managed")
