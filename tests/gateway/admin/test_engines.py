"""The engines on the operator's surface: how they fare, and taking one out for its maintenance."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.engine import fake_engine
from tests.fakes.gateway import until
from tests.gateway.admin.conftest import House, open_house

CAUSE = {"cause": "new driver"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway with two engines, of which the first can be scripted."""
    folder = tmp_path_factory.mktemp("pair")
    with fake_engine() as (engine, first), fake_engine() as (_, second):
        told = [
            {"name": "a", "url": f"http://me:SENTINEL@{first.url.removeprefix('http://')}/v1"},
            {"name": "b", "url": f"{second.url}/v1", "serves": ["n"]},
        ]
        with open_house(folder, first.url, engine, engines=told) as house:
            yield house


@pytest.fixture
def house(pair: House) -> Iterator[House]:
    pair.engine.says()
    yield pair
    for name in "ab":
        post(pair, f"{name}/resume", CAUSE)
    pair.engine.says()


def post(house: House, path: str, body: dict[str, Any]) -> Any:
    with house.http() as client:
        return client.post(f"/admin/engines/{path}", json=body)


def engines(house: House) -> dict[str, Any]:
    with house.http("viewer") as client:
        answer = client.get("/admin/engines")
    assert "SENTINEL" not in answer.text
    return {each.pop("name"): each for each in answer.json()["data"]}


def trail(house: House) -> list[Any]:
    with house.http() as client:
        return client.get("/admin/transitions?kind=engine").json()["data"]


def test_every_engine_says_how_it_fares(house: House) -> None:
    told = engines(house)
    assert told["a"].pop("url").startswith("http://127.0.0.1:")
    assert told["a"] == {
        "up": True,
        "breaker": "closed",
        "draining": False,
        "declared": False,
        "managed": False,
        "swapping": False,
        "weights": None,
        "outstanding_requests": 0,
        "outstanding_tokens": 0,
        "capabilities": {"n": None, "logprobs": None, "adapters": True},
    }
    assert told["b"]["capabilities"] == {"n": True, "logprobs": False, "adapters": False}


def test_a_drained_engine_gets_nothing_new_until_it_resumes(house: House) -> None:
    drained = post(house, "a/drain", CAUSE)
    assert (drained.json()["draining"], drained.json()["idle"]) == (True, True)
    for number in range(6):
        assert house.ask(f"question {number}").status_code == 200
    assert not house.engine.requests
    assert post(house, "a/resume", CAUSE).json()["draining"] is False
    for number in range(12):
        house.ask(f"question {number}")
    assert house.engine.requests


def test_draining_waits_for_what_is_being_answered(house: House) -> None:
    post(house, "b/drain", CAUSE)
    house.engine.says(before_answer=0.5)
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(house.ask().status_code))
    asking.start()
    assert until(lambda: house.engine.requests)
    post(house, "b/resume", CAUSE)
    assert post(house, "a/drain", {**CAUSE, "timeout_seconds": 0}).json()["idle"] is False
    assert post(house, "a/drain", CAUSE).json()["idle"] is True
    asking.join(5)
    assert answers == [200]


def test_who_drained_what_and_why_is_in_the_audit_trail_once(house: House) -> None:
    before = len(trail(house))
    for _ in range(2):
        post(house, "a/drain", CAUSE)
    post(house, "a/resume", {"cause": "done"})
    back, out = trail(house)[: len(trail(house)) - before]
    assert (out["subject"], out["after"], out["cause"]) == ("a", {"draining": True}, "new driver")
    assert (back["after"], back["cause"]) == ({"draining": False}, "done")
    with house.http() as client:
        ids = {key["name"]: key["id"] for key in client.get("/admin/keys").json()["data"]}
    assert back["actor"] == ids["admin"]


def test_the_last_engine_stays(house: House) -> None:
    post(house, "a/drain", CAUSE)
    refused = post(house, "b/drain", CAUSE)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "last_engine")
    assert not engines(house)["b"]["draining"]


def test_a_drain_outlives_a_restart(tmp_path: Path) -> None:
    with fake_engine() as (engine, first), fake_engine() as (_, second):
        told = [{"name": "a", "url": f"{first.url}/v1"}, {"name": "b", "url": f"{second.url}/v1"}]
        with open_house(tmp_path, first.url, engine, engines=told) as house:
            post(house, "a/drain", CAUSE)
        with open_house(tmp_path, first.url, engine, engines=told) as house:
            assert engines(house)["a"]["draining"]


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("nobody/drain", CAUSE, 404, "name"),
        ("nobody/resume", CAUSE, 404, "name"),
        ("a/drain", {}, 400, "cause"),
        ("a/drain", {**CAUSE, "timeout_seconds": 1e9}, 400, "timeout_seconds"),
        ("a/resume", {"cause": ""}, 400, "cause"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    house: House, path: str, body: dict[str, Any], status: int, param: str
) -> None:
    answer = post(house, path, body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
