"""The sliding window: never more than its limit in any minute, whatever the rhythm."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tenants.rates import MANY_WINDOWS, WINDOW_SECONDS, Cost, LocalRates, Taken, Window

PAUSES = st.lists(
    st.tuples(st.one_of(st.floats(0, 3), st.floats(20, 70)), st.integers(1, 5)), min_size=1, max_size=60
)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.25

    def __call__(self) -> float:
        return self.now


def take(rates: LocalRates, *costs: Cost) -> Taken:
    return asyncio.run(rates.take("key", costs))


@given(PAUSES, st.integers(5, 12))
def test_no_minute_ever_has_more_than_the_limit(rhythm: list[tuple[float, int]], limit: int) -> None:
    clock = Clock()
    rates, admitted = LocalRates(clock), list[tuple[float, int]]()
    for pause, amount in rhythm:
        clock.now += pause
        if not take(rates, Cost("tokens", amount, limit)).refused:
            admitted.append((clock.now, amount))
    for begin, _ in admitted:
        assert sum(amount for at, amount in admitted if begin <= at < begin + WINDOW_SECONDS) <= limit


@given(PAUSES, st.integers(5, 12))
def test_waiting_as_long_as_told_is_enough_and_a_second_less_is_not(
    rhythm: list[tuple[float, int]], limit: int
) -> None:
    clock = Clock()
    rates = LocalRates(clock)
    for pause, amount in rhythm:
        clock.now += pause
        cost = Cost("tokens", amount, limit)
        if (refused := take(rates, cost).refused) is None:
            continue
        clock.now += refused.wait_seconds - 1
        assert take(rates, cost).refused
        clock.now += 1.001
        assert not take(rates, cost).refused


@given(PAUSES)
def test_what_is_remembered_is_bounded_by_the_seconds_of_a_minute(rhythm: list[tuple[float, int]]) -> None:
    window, now = Window(), 0.0
    for pause, amount in rhythm * 5:
        now += pause / 10
        window.total(now)
        window.add(amount, now)
    seconds = [second for second, _ in window._spent]
    assert len(seconds) <= WINDOW_SECONDS + 2
    assert all(one < other for one, other in pairwise(seconds))


def test_a_request_is_counted_against_all_of_its_limits_or_none() -> None:
    rates = LocalRates(Clock())
    take(rates, Cost("requests", 1, 9), Cost("tokens", 8, 10))
    refused = take(rates, Cost("requests", 1, 9), Cost("tokens", 3, 10)).refused
    assert refused is not None
    assert refused.what == "tokens"
    [requests] = take(rates, Cost("requests", 1, 9)).standings
    assert requests.remaining == 7


def test_a_narrowed_limit_holds_at_once_for_what_was_spent_before() -> None:
    rates = LocalRates(Clock())
    take(rates, Cost("requests", 5, 10))
    assert take(rates, Cost("requests", 1, 3)).refused


@pytest.mark.parametrize(("change", "remaining"), [(-4, 8), (0, 4), (3, 1)])
def test_settling_gives_back_or_takes_more(change: int, remaining: int) -> None:
    rates = LocalRates(Clock())
    taken = take(rates, Cost("tokens", 5, 10))
    asyncio.run(rates.settle("key", "tokens", change, taken.second))
    [standing] = take(rates, Cost("tokens", 1, 10)).standings
    assert standing.remaining == remaining


def test_what_is_forgotten_is_not_given_back() -> None:
    clock = Clock()
    rates = LocalRates(clock)
    taken = take(rates, Cost("tokens", 5, 10))
    clock.now += 120
    asyncio.run(rates.settle("key", "tokens", -5, taken.second))
    [standing] = take(rates, Cost("tokens", 1, 10)).standings
    assert standing.remaining == 9


async def test_windows_of_keys_that_fell_silent_are_dropped() -> None:
    clock = Clock()
    rates = LocalRates(clock)
    for number in range(3 * MANY_WINDOWS):
        clock.now += 1
        await rates.take(f"key-{number}", [Cost("requests", 1, 1)])
    assert len(rates._windows) <= MANY_WINDOWS
