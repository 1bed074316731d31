"""How long a rollout stood still."""

from datetime import UTC, datetime, timedelta

import pytest

from finetune.rollout.pauses import time_paused

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "hours"),
    [
        ([], 0),
        ([(9, None), (5, None)], 0),
        ([(9, True), (5, False)], 4),
        ([(9, True), (7, None), (5, False), (3, True), (2, False)], 5),
        ([(9, True)], 9),
        ([(9, True), (8, True), (5, False), (4, False)], 4),
        ([(-1, True)], 0),
    ],
    ids=["nothing", "moves", "a pause", "two", "it lasts", "said twice", "paused since it was looked at"],
)
def test_time_between_a_pause_and_its_end_is_counted(
    changes: list[tuple[int, bool | None]], hours: int
) -> None:
    """Each change is so many hours ago, and pauses it, ends a pause, or neither."""
    told = [
        (NOW - timedelta(hours=ago), {"state": "shadow"} if paused is None else {"paused": paused})
        for ago, paused in changes
    ]
    assert time_paused(told, NOW) == timedelta(hours=hours)
