"""The circuit breaker: opens after failures in a row, lets one probe through, closes when that is served."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.engines.breaker import Breaker, State

PAUSE = 5.0


def opened(failures: int = 3) -> Breaker:
    breaker = Breaker(failures, PAUSE)
    for _ in range(failures):
        breaker.fail(0.0)
    return breaker


def test_it_opens_after_so_many_failures_and_not_before() -> None:
    breaker = Breaker(3, PAUSE)
    states = []
    for _ in range(3):
        breaker.fail(0.0)
        states.append(breaker.state(0.0))
    assert states == [State.CLOSED, State.CLOSED, State.OPEN]


def test_a_success_between_failures_begins_the_count_anew() -> None:
    breaker = Breaker(2, PAUSE)
    for _ in range(5):
        breaker.fail(0.0)
        breaker.succeed()
    assert breaker.state(0.0) is State.CLOSED


def test_open_it_lets_nobody_through_until_the_pause_is_over() -> None:
    breaker = opened()
    assert not breaker.allows(PAUSE - 0.1)
    assert breaker.allows(PAUSE)


def test_half_open_it_lets_one_probe_through() -> None:
    breaker = opened()
    assert breaker.begin(PAUSE)
    assert not breaker.allows(PAUSE + 100)
    assert not breaker.begin(PAUSE + 100)


def test_a_probe_that_is_served_closes_it() -> None:
    breaker = opened()
    breaker.begin(PAUSE)
    breaker.succeed()
    assert (breaker.state(PAUSE), breaker.allows(PAUSE)) == (State.CLOSED, True)


def test_a_probe_that_fails_opens_it_for_another_pause() -> None:
    breaker = opened()
    breaker.begin(PAUSE)
    breaker.fail(PAUSE)
    assert breaker.state(2 * PAUSE - 0.1) is State.OPEN
    assert breaker.state(2 * PAUSE) is State.HALF_OPEN


def test_a_probe_whose_client_leaves_makes_room_for_the_next() -> None:
    breaker = opened()
    breaker.begin(PAUSE)
    breaker.abandon()
    assert breaker.begin(PAUSE)


def test_a_probe_that_began_to_answer_lets_others_in_and_may_fail_once() -> None:
    breaker = opened()
    breaker.begin(PAUSE)
    breaker.begun()
    assert breaker.state(PAUSE) is State.CLOSED
    breaker.fail(PAUSE)
    assert breaker.state(PAUSE) is State.OPEN


def test_hope_ends_the_pause() -> None:
    breaker = opened()
    breaker.expect(1.0)
    assert breaker.state(1.0) is State.HALF_OPEN


events = st.lists(st.sampled_from(["begin", "succeed", "fail", "abandon", "begun", "expect", "wait"]))


@given(events)
def test_whatever_happens_it_ends_up_serving_an_engine_that_is_well(happened: list[str]) -> None:
    breaker, now = Breaker(2, PAUSE), 0.0
    for event in happened:
        now += PAUSE if event == "wait" else 0.0
        if event in ("begin", "fail", "expect"):
            getattr(breaker, event)(now)
        elif event != "wait":
            getattr(breaker, event)()
    breaker.abandon()
    now += PAUSE
    assert breaker.allows(now)
    breaker.begin(now)
    breaker.succeed()
    assert breaker.state(now) is State.CLOSED
    assert not breaker.failed
