"""A guard whose service is away gets a rest; meanwhile it fails at once, as its rule says."""

import pytest

from guards.breaker import Breaker
from guards.verdict import Action, GuardFailed, GuardTimedOut, GuardUnavailable, Screening, Segment
from tests.fakes.opinions import opinions, screen_of

POLICY = """
name: resting
version: 1
guards:
  - id: far
    kind: told
    where: [prompt]
    on_error: {on_error}
    breaker: {{failures: 2, rest_ms: {rest_ms}}}
    hazards: {{hte: {{action: refuse, threshold: 0.5}}}}
"""


class Clock:
    """Time that a test moves."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(2, 10.0, clock)


def fail(breaker: Breaker, failure: GuardFailed | None = None) -> None:
    breaker.begin()
    breaker.end(failure or GuardUnavailable("away"))


def test_it_rests_after_so_many_failures_one_after_the_other(breaker: Breaker) -> None:
    fail(breaker)
    assert not breaker.rests
    fail(breaker, GuardTimedOut("late"))
    with pytest.raises(GuardUnavailable, match="rest after 2 failures"):
        breaker.begin()


def test_an_answer_between_two_failures_counts_from_the_beginning(breaker: Breaker) -> None:
    fail(breaker)
    breaker.begin()
    breaker.end(None)
    fail(breaker)
    assert not breaker.rests


def test_after_the_rest_one_tries_alone(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    fail(breaker)
    clock.seconds = 10.0
    breaker.begin()
    with pytest.raises(GuardUnavailable):
        breaker.begin()


def test_who_tried_and_got_an_answer_ends_the_rest_for_all(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    fail(breaker)
    clock.seconds = 10.0
    breaker.begin()
    breaker.end(None)
    breaker.begin()
    breaker.begin()


def test_who_tried_in_vain_prolongs_the_rest(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    fail(breaker)
    clock.seconds = 10.0
    fail(breaker)
    clock.seconds = 19.0
    assert breaker.rests


def test_nonsense_that_an_attacker_could_cause_gives_no_rest(breaker: Breaker) -> None:
    for _ in range(5):
        fail(breaker, GuardFailed("answered with nonsense"))
    assert not breaker.rests


@pytest.mark.parametrize(("on_error", "action"), [("closed", Action.REFUSE), ("open", Action.FLAG)])
async def test_a_resting_guard_is_not_asked_and_fails_as_its_rule_says(on_error: str, action: Action) -> None:
    kinds = opinions()
    screen = screen_of(POLICY.format(on_error=on_error, rest_ms=60_000), kinds)

    async def says(text: str) -> Screening:
        return await screen.prompt([Segment(text, "prompt")])

    for _ in range(2):
        await says("far=away")
    screening = await says("far=0")
    assert screening.action is action
    assert "rest after 2 failures" in screening.failures[0].reason
    assert len(kinds["told"].built["far"].shown) == 2


async def test_a_guard_that_came_back_is_asked_again() -> None:
    kinds = opinions()
    screen = screen_of(POLICY.format(on_error="closed", rest_ms=1), kinds)
    for text in ("far=away", "far=away"):
        await screen.prompt([Segment(text, "prompt")])
    for _ in range(1000):
        if not (await screen.prompt([Segment("far=0", "prompt")])).failures:
            break
    assert not (await screen.prompt([Segment("far=0", "prompt")])).failures


async def test_a_service_that_answers_is_not_away_however_much_one_request_asks_of_it() -> None:
    kinds = opinions()
    screen = screen_of(POLICY.format(on_error="open", rest_ms=60_000), kinds)
    for _ in range(5):
        await screen.prompt([Segment("far=0", "prompt"), Segment("far=away", "prompt")])
    assert not (await screen.prompt([Segment("far=0.1", "prompt")])).failures
