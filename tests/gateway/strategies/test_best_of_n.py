"""Best of n as a choice: the safe one with the highest reward, ties to the first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strategies.best_of_n import BestOfN
from guards.verdict import Action
from tests.gateway.strategies.candidates import candidate


@given(st.lists(st.tuples(st.floats(-10, 10), st.booleans()), min_size=1))
def test_nothing_unsafe_wins_and_nothing_safe_beats_the_winner(given: list[tuple[float, bool]]) -> None:
    candidates = [
        candidate(index, reward if safe else None, Action.ALLOW if safe else Action.REFUSE)
        for index, (reward, safe) in enumerate(given)
    ]
    winners = BestOfN().choose(candidates, 1).winners
    best = max((reward for reward, safe in given if safe), default=None)
    assert [given[index][0] for index in winners] == ([] if best is None else [best])
    assert all(given[index][1] for index in winners)


def test_ties_go_to_the_first() -> None:
    assert BestOfN().choose([candidate(0, 1.0), candidate(1, 1.0)], 1).winners == (0,)


def test_without_rewards_the_order_is_the_engines() -> None:
    candidates = [candidate(0, None, Action.REFUSE), candidate(1, None), candidate(2, None)]
    choice = BestOfN().choose(candidates, 2)
    assert choice.winners == (1, 2)
    assert "no rewards" in choice.why


@pytest.mark.parametrize(("returned", "winners"), [(1, (2,)), (2, (2, 0)), (3, (2, 0, 1))])
def test_as_many_as_asked_for_come_best_first(returned: int, winners: tuple[int, ...]) -> None:
    candidates = [candidate(0, 2.0), candidate(1, 1.0), candidate(2, 3.0)]
    assert BestOfN().choose(candidates, returned).winners == winners


def test_redacted_and_flagged_candidates_may_win() -> None:
    assert BestOfN().choose([candidate(0, 1.0), candidate(1, 2.0, Action.REDACT)], 1).winners == (1,)
