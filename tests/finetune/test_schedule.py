"""When a retraining may begin, and when one should."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from finetune.schedule import Spent, WatchRules, due, held_back, next_time, psi

RULES: TypeAdapter[WatchRules] = TypeAdapter(WatchRules)
FRIDAY = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
NONE = Spent()


@pytest.mark.parametrize(
    ("hours", "moment", "until"),
    [
        ("11:00-13:00", FRIDAY, "13:00"),
        ("22:00-06:00", FRIDAY.replace(hour=23), "06:00"),
        ("22:00-06:00", FRIDAY.replace(hour=5), "06:00"),
        ("fri 22:00-06:00", FRIDAY.replace(day=28, hour=5), "06:00"),
        ("mon-fri 08:00-18:00", FRIDAY, "18:00"),
    ],
)
def test_in_quiet_hours_no_run_begins(hours: str, moment: datetime, until: str) -> None:
    waiting = held_back(WatchRules(quiet=(hours,)), NONE, moment)
    assert waiting is not None
    assert f"{waiting.until:%H:%M}" == until


@pytest.mark.parametrize("hours", ["13:00-14:00", "sat-sun 00:00-23:59", "thu 11:00-13:00"])
def test_outside_of_them_one_may(hours: str) -> None:
    assert held_back(WatchRules(quiet=(hours,)), NONE, FRIDAY) is None


def test_hours_are_those_of_the_place() -> None:
    rules = WatchRules(quiet=("13:00-14:00",), timezone="Europe/Berlin")
    assert held_back(rules, NONE, FRIDAY) is not None


def test_a_budget_of_runs() -> None:
    waiting = held_back(WatchRules(most_runs_a_day=2), Spent(runs_today=2), FRIDAY)
    assert waiting is not None
    assert "2 runs began within a day" in waiting.told
    assert held_back(WatchRules(most_runs_a_day=2), Spent(runs_today=1), FRIDAY) is None


def test_a_budget_of_hours() -> None:
    assert held_back(WatchRules(most_training_hours_a_week=1.5), Spent(training_hours=2), FRIDAY) is not None


def test_a_time_of_the_schedule_comes_once() -> None:
    rules = WatchRules(cron="0 3 * * *")
    began = FRIDAY - timedelta(days=1)
    assert due(rules, Spent(last_began=began), began, FRIDAY)
    assert not due(rules, Spent(last_began=FRIDAY), began, FRIDAY + timedelta(hours=1))


def test_a_time_that_found_nothing_to_learn_has_been() -> None:
    rules, began = WatchRules(cron="0 3 * * *"), FRIDAY - timedelta(days=2)
    looked = Spent(last_began=began, in_vain=FRIDAY.replace(hour=3, minute=1))
    assert not due(rules, looked, began, FRIDAY)
    assert due(rules, looked, began, FRIDAY + timedelta(days=1))
    assert not due(rules, Spent(in_vain=looked.in_vain), began, FRIDAY)


def test_before_the_first_run_the_watchs_start_counts() -> None:
    rules = WatchRules(cron="0 3 * * *")
    assert not due(rules, NONE, FRIDAY, FRIDAY + timedelta(hours=1))
    assert due(rules, NONE, FRIDAY, FRIDAY + timedelta(hours=16))


def test_the_next_time_is_told_in_the_place() -> None:
    moment = next_time(WatchRules(cron="0 3 * * mon", timezone="Europe/Berlin"), FRIDAY)
    assert moment is not None
    assert f"{moment:%a %H:%M}" == "Mon 03:00"


@pytest.mark.parametrize(
    ("name", "value"),
    [("cron", "0 25 * * *"), ("quiet", ["noon"]), ("quiet", ["25:00-26:00"]), ("timezone", "Mars/Base")],
)
def test_what_cannot_be_understood_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        RULES.validate_python({name: value})
    assert refused.value.errors()[0]["loc"][0] == name


def test_the_same_sample_is_stable_and_a_moved_one_is_not() -> None:
    same = [i % 50 / 10 for i in range(500)]
    assert psi(same, same[::-1]) < 0.01
    assert psi(same, [value + 2 for value in same]) > 0.25


@given(st.lists(st.integers(0, 3) | st.floats(-100, 100), min_size=50, max_size=200), st.randoms())
def test_whatever_the_sample_no_order_moves_it_and_no_move_beyond_it_is_missed(
    before: list[float], chance: random.Random
) -> None:
    other = chance.sample(before, len(before))
    assert psi(before, other) == pytest.approx(0, abs=1e-9)
    for elsewhere in (max(before) + 1, min(before) - 1):
        assert psi(before, [elsewhere] * len(before)) > 0.25


def test_a_sample_of_equal_values_is_seen_to_move_either_way() -> None:
    assert psi([0.0] * 500, [0.0] * 500) == 0
    assert psi([0.0] * 500, [5.0] * 500) > 0.25
    assert psi([0.0] * 500, [-5.0] * 500) > 0.25
    assert psi([0.0] * 500, [0.0] * 400 + [5.0] * 100) > 0.25
