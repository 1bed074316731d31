"""Where a rollback leads: before the latest rollout that nothing has undone."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.rollouts import MEMORY, TOOK_BACK, Rollouts, Weights, standing
from gateway.admin.trail import Change
from gateway.admin.versions import Version, Versions
from gateway.errors import Conflict, NotFound
from gateway.ledger.database import Database

V0, V1, V2 = {"v0": 1.0}, {"v1": 1.0}, {"v2": 1.0}
STEPS = [{"v1": 0.99, "v2": 0.01}, {"v1": 0.95, "v2": 0.05}, {"v1": 0.75, "v2": 0.25}]


def move(before: Weights, after: Weights, kind: str = "rollout", **evidence: Any) -> dict[str, Any]:
    return {"kind": kind, "before": before, "after": after, "evidence": evidence}


def back(before: Weights, after: Weights) -> dict[str, Any]:
    return move(before, after, "rollback")


def taken_back(before: Weights, after: Weights) -> dict[str, Any]:
    return move(before, after, **{TOOK_BACK: ["v2"]})


def undone(moves: Iterable[dict[str, Any]]) -> Weights:
    """Where a rollback leads; moves come latest first."""
    return next((dict(move["before"]) for move in standing(moves)), {})


FIRST = [move(V0, V1)]
FLIP = [move(V1, V2), taken_back(V2, V1)]
CANARY = [
    move(V1, STEPS[0]),
    move(STEPS[0], STEPS[1]),
    move(STEPS[1], STEPS[2]),
    taken_back(STEPS[2], V1),
]
WENT_LIVE = [move(a, b, rollout="r1") for a, b in zip([V1, *STEPS], [*STEPS, V2], strict=True)]
# As the loop wrote it down before moves back said `took_back`.
WENT_BACK = [*WENT_LIVE[:3], move(STEPS[2], V1, rollout="r1")]
BY_HAND = [*WENT_LIVE[:1], move(STEPS[0], STEPS[1])]  # where the loop was about to move it itself


@pytest.mark.parametrize(
    ("moves", "found"),
    [
        ([], {}),
        ([*FIRST, move(V1, V2)], V1),
        ([*FIRST, move(V1, V2), move(V2, V1)], V2),
        ([*FIRST, move(V1, V2), back(V2, V1)], V0),
        ([*FIRST, move(V1, V2), back(V2, V1), back(V1, V0)], {}),
        ([*FIRST, *FLIP], V0),
        ([*FIRST, *CANARY], V0),
        ([*FIRST, *FLIP, *CANARY], V0),
        ([*FIRST, *WENT_LIVE], V1),
        ([*FIRST, *WENT_LIVE, back(V2, V1)], V0),
        ([*FIRST, *WENT_LIVE[:2]], V1),
        ([move({}, V0), *FIRST, *CANARY, back(V1, V0)], {}),
        ([move(V2, V0), *FIRST, *CANARY, back(V1, V0)], V2),
        ([*FIRST, *FLIP, move(V1, V2)], V1),
        ([*FIRST, *FLIP, move(V1, V2), back(V2, V1)], V0),
        ([*FIRST, move(V1, V2), back(V2, V1), *CANARY], V0),
        ([*FIRST, *CANARY[:2], back(STEPS[1], STEPS[0]), move(STEPS[0], STEPS[1]), *CANARY[2:]], V0),
        ([*FIRST, *WENT_BACK], V0),
        ([*FIRST, *WENT_BACK, move(V1, V2)], V1),
        ([*FIRST, *BY_HAND, *WENT_LIVE[2:]], V1),
        ([*FIRST, *BY_HAND, *WENT_BACK[2:]], V0),
        ([*FIRST, *BY_HAND], STEPS[0]),
        ([*FIRST, *WENT_LIVE, back(V2, STEPS[2])], V1),
        ([*FIRST, *WENT_LIVE, back(V2, STEPS[2]), back(STEPS[2], STEPS[1])], V1),
        ([*FIRST, *WENT_LIVE, back(V2, STEPS[2]), back(STEPS[2], V1)], V0),
        ([*FIRST, *WENT_BACK, back(V1, STEPS[2])], V1),
    ],
    ids=[
        "no moves",
        "given",
        "led back by hand",
        "rolled back",
        "rolled back twice",
        "a flip taken back",
        "a canary taken back",
        "both taken back",
        "a canary that went live",
        "a canary that went live, and was rolled back",
        "a canary under way",
        "rolled back to the first after a canary was taken back",
        "rolled back after a canary was taken back",
        "given by hand what was taken back",
        "given by hand what was taken back, and rolled back",
        "a canary taken back after a rollback",
        "a canary taken back after a rollback of one of its steps",
        "a canary that went back without saying so",
        "given by hand after a canary that went back without saying so",
        "a canary that went on from a step made by hand",
        "a canary that went back without saying so from a step made by hand",
        "a step by hand that no canary went on from",
        "a canary that went live, and was rolled back to its last step by older code",
        "rolled back to a step before that",
        "rolled back to its last step by older code, and whole by this",
        "a canary that went back without saying so, and was rolled back to its last step",
    ],
)
def test_a_rollback_leads_before_the_latest_rollout_that_nothing_has_undone(
    moves: list[dict[str, Any]], found: Weights
) -> None:
    assert undone(reversed(moves)) == found


def test_where_memory_ends_within_what_was_taken_back_nothing_is_known_to_go_back_to() -> None:
    many = [move(STEPS[i % 2], STEPS[1 - i % 2]) for i in range(MEMORY)]
    history = [*FIRST, move(V1, STEPS[0]), *many, taken_back(STEPS[0], V1)]
    assert undone(history[: -MEMORY - 1 : -1]) == {}
    assert undone(reversed(history)) == V0


@pytest.fixture
async def led(tmp_path: Path) -> AsyncIterator[Rollouts]:
    """An alias that was led to v0 and then to v1."""
    async with Database(f"sqlite:///{tmp_path / 'ledger.db'}") as database:
        rollouts = Rollouts(database)
        for name in ("v0", "v1"):
            version = Version(name, "base", f"/{name}", None, {}, "staged", datetime.now(UTC))
            await Versions(database).register(version, "ada")
            await rollouts.put("helper", {name: 1.0}, Change("rollout", "helper", {}, {}, "given"), "ada")
        yield rollouts


async def test_a_way_back_tells_from_where_it_leads(led: Rollouts) -> None:
    way = await led.way_back("helper")
    assert (way.here, way.there) == (V1, V0)


async def test_of_an_alias_that_there_is_not_that_is_told(led: Rollouts) -> None:
    with pytest.raises(NotFound, match="there is no alias 'helpr'"):
        await led.way_back("helpr", expected=V1)


async def test_a_way_back_tells_which_rollout_it_undoes(led: Rollouts) -> None:
    """The same weights given again after a rollback are another's word."""
    first = await led.way_back("helper")
    await led.put("helper", V0, Change("rollback", "helper", {}, {}, "worse"), "ada")
    await led.put("helper", V1, Change("rollout", "helper", {}, {}, "not so bad"), "bob")
    again = await led.way_back("helper")
    assert (again.here, again.there) == (first.here, first.there)
    assert again.undoes != first.undoes


async def test_a_canary_that_steps_on_is_the_same_rollout(led: Rollouts) -> None:
    name = Version("v2", "base", "/v2", None, {}, "staged", datetime.now(UTC))
    await Versions(led.database).register(name, "ada")
    undoes = set()
    for step in STEPS:
        await led.put("helper", step, Change("rollout", "helper", {}, {}, "on", {"rollout": "r1"}), "loop")
        undoes.add((await led.way_back("helper")).undoes)
    assert len(undoes) == 1


async def test_a_rollback_that_would_change_nothing_is_refused(led: Rollouts) -> None:
    unseen = Change("swap", "helper", {}, {}, "the engines were given other weights")
    await led.put("helper", V0, unseen, "ada")
    with pytest.raises(Conflict, match="helper leads to v0 1 already, where a rollback would bring it"):
        await led.way_back("helper")
