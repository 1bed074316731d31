"""What holds for every strategy that ranks, whatever its candidates are."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Candidate
from gateway.strategies import STRATEGIES
from gateway.strategies.contract import Gathers, Knobs, Strategy
from guards.policy.document import StrategyName
from guards.verdict import Action
from tests.gateway.strategies.candidates import candidate

RANKING = [strategy for strategy in STRATEGIES.values() if strategy.ranks]
ACTIONS = st.sampled_from([Action.ALLOW, Action.FLAG, Action.REDACT, Action.REVISE, Action.REFUSE])
TEXTS = st.sampled_from(["42", "The answer is 7.", "Perhaps.", '{"a": 1}', ""])
NUMBERS = st.none() | st.floats(-50, 50)
each_ranking = pytest.mark.parametrize("strategy", RANKING, ids=lambda each: type(each).__name__)


@st.composite
def some_candidates(draw: st.DrawFn) -> list[Candidate]:
    rows = draw(st.lists(st.tuples(NUMBERS, ACTIONS, TEXTS, NUMBERS), min_size=1, max_size=12))
    return [
        candidate(index, reward, action, text, certainty=sure)
        for index, (reward, action, text, sure) in enumerate(rows)
    ]


KNOBS = st.builds(
    Knobs,
    temperature=st.floats(0, 100),
    dial=st.dictionaries(st.sampled_from(["reward", "brevity", "safety"]), st.floats(0, 1)),
    seed=st.text(max_size=8),
)


@each_ranking
@given(candidates=some_candidates(), returned=st.integers(1, 13), knobs=KNOBS)
def test_what_is_withheld_never_wins_and_every_winner_wins_once(
    strategy: Strategy, candidates: list[Candidate], returned: int, knobs: Knobs
) -> None:
    winners = strategy.choose(candidates, returned, knobs).winners
    safe = [position for position, each in enumerate(candidates) if each.safe]
    assert set(winners) <= set(safe)
    assert len(winners) == len(set(winners)) == min(returned, len(safe))


@each_ranking
@given(candidates=some_candidates(), knobs=KNOBS)
def test_the_same_exchange_is_chosen_alike_and_in_one_sentence(
    strategy: Strategy, candidates: list[Candidate], knobs: Knobs
) -> None:
    choice = strategy.choose(candidates, 1, knobs)
    assert choice == strategy.choose(candidates, 1, knobs)
    assert choice.why.endswith(".")


@each_ranking
def test_without_rewards_and_all_else_the_first_safe_one_wins(strategy: Strategy) -> None:
    candidates = [candidate(0, None, Action.REFUSE), candidate(1), candidate(2)]
    assert strategy.choose(candidates, 1, Knobs(temperature=1.0, seed="any")).winners == (1,)


@each_ranking
def test_a_withheld_candidate_says_nothing_to_a_dial(strategy: Strategy) -> None:
    """Its rewards, had it any, must not move the others' z-scores."""
    candidates = [candidate(0, 1.0), candidate(1, 2.0)]
    knobs = Knobs(dial={"reward": 1.0, "brevity": 0.2}, seed="x")
    withheld = replace(candidate(2, 1e9, Action.REFUSE), heads={"reward": -1e9})
    assert (
        strategy.choose([*candidates, withheld], 2, knobs).winners
        == strategy.choose(candidates, 2, knobs).winners
    )


def test_guard_policies_know_every_strategy_by_name() -> None:
    assert set(STRATEGIES) <= set(get_args(StrategyName))


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_says_how_its_candidates_come_about(name: str) -> None:
    assert STRATEGIES[name].gathers in get_args(Gathers)


@given(st.text(max_size=20), st.text(max_size=20))
def test_chance_lies_between_nothing_and_certainty(seed: str, purpose: str) -> None:
    assert 0.0 < Knobs(seed=seed).chance(purpose) < 1.0


def test_chance_is_even() -> None:
    drawn = [Knobs(seed=str(number)).chance("here") for number in range(20_000)]
    tenths = [sum(int(10 * each) == tenth for each in drawn) for tenth in range(10)]
    assert all(1800 < count < 2200 for count in tenths)  # a spread of 42 around 2000: five of them
