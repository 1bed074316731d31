"""Engines that sleep while a retraining trains: never the last, never for longer than its run lives."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from finetune.devices import Borrowing, SharingRules
from finetune.errors import TrainingFailed
from gateway.admin.client import AdminClient
from gateway.admin.drains import KIND, Word, put, word_on
from gateway.admin.lending import Return, give_back
from gateway.admin.loans import look
from gateway.admin.trail import Change
from gateway.errors import Conflict
from gateway.ledger.tables import RetrainingRow
from tests.fakes.engine import fake_engine
from tests.fakes.gateway import until
from tests.fakes.managed_engine import ManagedEngine, managed_engine
from tests.gateway.admin.conftest import House, open_house
from tests.gateway.admin.weights.conftest import make_model

RUN, WORKER = "rt-lending", "w"


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
        engine.sleeps = engine.wakes = engine.may_sleep = True
        post(house, f"{name}/return", {"cause": "the test is over"})
        assert not engine.asleep
    on_loop(house, over(house))


@pytest.fixture
def engines(pair: tuple[House, list[ManagedEngine]]) -> list[ManagedEngine]:
    return pair[1]


def on_loop(house: House, work: Any) -> Any:
    return asyncio.run_coroutine_threadsafe(work, house.server.loop).result(30)


async def begun(house: House, run: str = RUN, alias: str = "assistant") -> None:
    assert house.tools.ledger is not None
    now = datetime.now(UTC)
    row = {"id": run, "state": "train", "alias": alias, "running": 1, "parameters": {}, "reasons": []}
    row |= {"owner": WORKER, "lease_until": now + timedelta(minutes=5), "created_at": now}
    async with house.tools.ledger.database.write() as connection:
        await connection.execute(insert(RetrainingRow).values(**row))


async def taken_over(house: House) -> None:
    """Another worker goes on with the run."""
    assert house.tools.ledger is not None
    async with house.tools.ledger.database.write() as connection:
        await connection.execute(update(RetrainingRow).values(owner="the next"))


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


def look_now(house: House) -> None:
    """As every gateway does every five seconds."""
    assert house.tools.ledger is not None
    on_loop(house, look(house.tools, house.tools.ledger.database))


def latest(house: House, name: str = "a") -> Word:
    assert house.tools.ledger is not None
    word: Word = on_loop(house, word_on(house.tools.ledger.database, name))
    return word


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def post(house: House, path: str, body: dict[str, Any]) -> Any:
    with house.http() as client:
        return client.post(f"/admin/engines/{path}", json=body)


def lend(house: House, name: str = "a", **more: Any) -> Any:
    return post(house, f"{name}/lend", {"retraining": RUN, "timeout_seconds": 5, **more})


async def diverging(borrowing: Borrowing, engine: ManagedEngine) -> None:
    """A training that has the engine asleep, and fails."""
    async with borrowing.free(RUN, WORKER):
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
    look_now(house)
    assert engines[0].asleep  # its worker lives
    on_loop(house, worker_killed(house))
    look_now(house)
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


def test_a_failed_return_is_tried_again_while_the_run_lives(
    house: House, engines: list[ManagedEngine]
) -> None:
    lend(house)
    engines[0].wakes = False
    post(house, "a/return", {"cause": "trained", "retraining": RUN, "worker": WORKER})
    look_now(house)
    assert engines[0].asleep
    assert refusal(lend(house, timeout_seconds=0.1)) == (409, "returning")
    engines[0].wakes = True
    look_now(house)
    assert not engines[0].asleep
    assert not house.tools.engine.replica("a").draining


def test_an_engine_that_does_not_wake_keeps_no_other_asleep(
    house: House, engines: list[ManagedEngine]
) -> None:
    lend(house)
    lend(house, "b", allow_empty=True)
    engines[0].wakes = False
    on_loop(house, worker_killed(house))
    look_now(house)
    assert [each.asleep for each in engines] == [True, False]


def test_a_run_is_lent_what_it_has_and_no_other_run_is(house: House, engines: list[ManagedEngine]) -> None:
    on_loop(house, begun(house, "rt-other", "other"))
    assert {lend(house).status_code, lend(house).status_code} == {200}
    assert refusal(lend(house, retraining="rt-other")) == (409, "lent")
    assert refusal(post(house, "a/return", {"cause": "mine", "retraining": "rt-other"})) == (409, "not_lent")
    assert engines[0].asleep


async def test_a_refused_training_does_not_wake_what_another_has_lent(
    house: House, engines: list[ManagedEngine]
) -> None:
    on_loop(house, begun(house, "rt-other", "other"))
    lend(house)
    async with house.admin() as admin:
        borrowing = Borrowing(admin, SharingRules(engines=("a",)))
        with pytest.raises(TrainingFailed, match="a cannot be had: a is lent to rt-lending"):
            async with borrowing.free("rt-other", WORKER):
                pass
    assert engines[0].asleep


def test_a_worker_that_lost_the_run_neither_lends_nor_gives_back(
    house: House, engines: list[ManagedEngine]
) -> None:
    on_loop(house, taken_over(house))
    assert refusal(lend(house, worker=WORKER)) == (409, "lease_lost")
    assert lend(house, worker="the next").status_code == 200
    told = {"cause": "trained", "retraining": RUN, "worker": WORKER}
    assert refusal(post(house, "a/return", told)) == (409, "lease_lost")
    assert engines[0].asleep


async def test_a_training_that_lost_its_run_leaves_the_engine_to_the_next_worker(
    house: House, engines: list[ManagedEngine]
) -> None:
    async with house.admin() as admin:
        borrowing = Borrowing(admin, SharingRules(engines=("a",)))
        async with borrowing.free(RUN, WORKER):
            on_loop(house, taken_over(house))
    assert engines[0].asleep


def test_a_worker_of_no_retraining_is_refused(house: House) -> None:
    assert post(house, "a/return", {"cause": "trained", "worker": WORKER}).status_code == 400


@pytest.mark.parametrize("path", ["a/resume", "a/drain"])
def test_a_lent_engine_is_neither_resumed_nor_drained(house: House, path: str) -> None:
    lend(house)
    refused = post(house, path, {"cause": "by hand"})
    assert refusal(refused) == (409, "lent")
    assert "/return" in refused.json()["error"]["message"]
    assert house.tools.engine.replica("a").draining


def test_a_drained_engine_is_not_lent(house: House, engines: list[ManagedEngine]) -> None:
    post(house, "a/drain", {"cause": "new driver"})
    assert refusal(lend(house)) == (409, "drained")
    assert not engines[0].asleep
    assert house.tools.engine.replica("a").draining


def test_what_was_lent_again_is_not_woken_on_an_older_word(
    house: House, engines: list[ManagedEngine]
) -> None:
    lend(house)
    word = latest(house)
    lend(house)
    assert house.tools.ledger is not None
    replica, database = house.tools.engine.replica("a"), house.tools.ledger.database
    with pytest.raises(Conflict, match="meanwhile"):
        on_loop(
            house, give_back(house.tools, database, replica, word, Return("its worker is gone", "gateway"))
        )
    assert engines[0].asleep
    assert replica.draining


def test_a_loan_that_is_ended_before_the_engine_sleeps_lets_it_be(
    house: House, engines: list[ManagedEngine]
) -> None:
    slept = engines[0].falling_asleep
    with ThreadPoolExecutor() as pool:
        lending = pool.submit(lend, house)
        assert until(lambda: latest(house).lent_to == RUN)
        assert post(house, "a/return", {"cause": "cancelled", "retraining": RUN}).status_code == 200
        assert refusal(lending.result()) == (409, "moved")
    assert engines[0].falling_asleep == slept
    assert not house.tools.engine.replica("a").draining


def test_a_loan_that_is_ended_while_the_engine_falls_asleep_wakes_it(
    house: House, engines: list[ManagedEngine]
) -> None:
    engines[0].may_sleep, slept = False, engines[0].falling_asleep
    assert house.tools.ledger is not None
    with ThreadPoolExecutor() as pool:
        lending = pool.submit(lend, house)
        assert until(lambda: engines[0].falling_asleep > slept)
        ended = Change(KIND, "a", {"draining": True}, {"draining": False}, "another gateway gave it back")
        on_loop(house, put(house.tools, house.tools.ledger.database, ended, "test"))
        engines[0].may_sleep = True
        assert refusal(lending.result()) == (409, "moved")
    assert not engines[0].asleep


async def test_a_training_has_the_engines_asleep_and_gives_them_back(
    house: House, engines: list[ManagedEngine]
) -> None:
    async with house.admin() as admin:
        borrowing = Borrowing(admin, SharingRules(engines=("a",)))
        with pytest.raises(ValueError, match="diverged"):
            await diverging(borrowing, engines[0])
    assert not engines[0].asleep


async def test_engines_that_the_gateway_does_not_know_are_told_beforehand(house: House) -> None:
    async with house.admin() as admin:
        await Borrowing(admin, SharingRules(engines=("a", "b"))).check()
        told = r"^finetune\.share_gpu\.engines: the gateway has no engine 'c', 'd'; it has a, b$"
        with pytest.raises(TrainingFailed, match=told):
            await Borrowing(admin, SharingRules(engines=("c", "a", "d"))).check()


async def test_a_gateway_that_is_away_is_left_to_the_steps_that_need_it() -> None:
    async with AdminClient("http://127.0.0.1:1", "key") as admin:
        await Borrowing(admin, SharingRules(engines=("a",))).check()


async def test_a_training_that_gets_no_engine_leaves_none_asleep(
    house: House, engines: list[ManagedEngine]
) -> None:
    async with house.admin() as admin:
        borrowing = Borrowing(admin, SharingRules(engines=("a", "b")))
        with pytest.raises(TrainingFailed, match=r"share_gpu\.engines: b cannot be had"):
            await diverging(borrowing, engines[0])
    assert not engines[0].asleep


async def why_not(house: House, name: str) -> str:
    """What is said before a run begins."""
    async with house.admin() as admin:
        with pytest.raises(TrainingFailed) as refused:
            await Borrowing(admin, SharingRules(engines=(name,))).check()
    return str(refused.value)


def test_an_unmanaged_engine_is_refused(tmp_path: Path) -> None:
    with fake_engine() as (engine, behind), open_house(tmp_path, behind.url, engine) as house:
        refused = post(house, "fake/lend", {"retraining": RUN})
        assert "fake cannot be put to sleep: not managed" in asyncio.run(why_not(house, "fake"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_managed")
