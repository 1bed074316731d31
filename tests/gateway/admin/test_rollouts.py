"""Where a rollback leads: before the latest rollout that nothing has undone."""

from typing import Any

import pytest

from gateway.admin.rollouts import MEMORY, TOOK_BACK, Weights, undone

V0, V1, V2 = {"v0": 1.0}, {"v1": 1.0}, {"v2": 1.0}
STEPS = [{"v1": 0.99, "v2": 0.01}, {"v1": 0.95, "v2": 0.05}, {"v1": 0.75, "v2": 0.25}]


def move(before: Weights, after: Weights, kind: str = "rollout", **evidence: Any) -> dict[str, Any]:
    return {"kind": kind, "before": before, "after": after, "evidence": evidence}


def back(before: Weights, after: Weights) -> dict[str, Any]:
    return move(before, after, "rollback")


def taken_back(before: Weights, after: Weights) -> dict[str, Any]:
    return move(before, after, **{TOOK_BACK: ["v2"]})


FIRST = [move(V0, V1)]
FLIP = [move(V1, V2), taken_back(V2, V1)]
CANARY = [
    move(V1, STEPS[0]),
    move(STEPS[0], STEPS[1]),
    move(STEPS[1], STEPS[2]),
    taken_back(STEPS[2], V1),
]
WENT_LIVE = [move(a, b, rollout="r1") for a, b in zip([V1, *STEPS], [*STEPS, V2], strict=True)]


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
