"""Bets whose wealth is evidence: valid at every look, and soon sure where there is something to see."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.rollout.evidence import MOST_TRACED, Bets, Evidence, Weighed, fresh, read_evidence
from finetune.rollout.plan import HARM, proof_bets
from tests.bench.loop.canary import log_wealth

SIGNS = Bets((0.2, 0.5, 0.8))
differences = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), max_size=60)


def after(seen: list[float], bets: Bets = SIGNS) -> Evidence:
    """What is known after some pairs."""
    found = fresh(bets)
    for each in seen:
        found = found.updated(each, bets)
    return found


def test_nothing_is_known_before_any_pair() -> None:
    assert after([]).log == 0.0
    assert after([]).p == 1.0


def test_pairs_without_a_difference_change_nothing() -> None:
    assert after([0.0] * 50).log == 0.0


def test_wealth_is_the_mean_of_what_each_bet_has_become() -> None:
    wealth = [(1 + share) ** 3 * (1 - share) for share in SIGNS.shares]
    assert math.exp(after([1, 1, -1, 1]).log) == pytest.approx(sum(wealth) / 3)


@given(differences)
def test_order_does_not_matter_to_the_wealth_itself(seen: list[float]) -> None:
    assert after(seen).log == pytest.approx(after(seen[::-1]).log)


@given(st.floats(-1, 1), st.floats(0, 0.9))
def test_no_pair_can_cost_more_than_what_was_staked(difference: float, margin: float) -> None:
    staked = Bets((0.8,), margin).stake(difference)
    assert -1.0 <= staked <= 1.0


def test_under_the_null_wealth_does_not_grow_on_average() -> None:
    rng = random.Random(3)
    paths = [after([rng.choice((-1.0, 1.0)) for _ in range(40)]) for _ in range(3000)]
    assert sum(math.exp(each.log) for each in paths) / len(paths) < 1.3
    assert sum(each.highest >= math.log(20) for each in paths) / len(paths) <= 0.05


def test_the_highest_wealth_is_remembered() -> None:
    found = after([1.0] * 12 + [-1.0] * 12)
    assert found.p < 0.05
    assert found.log < found.highest


def test_a_trace_is_thinned_and_keeps_its_end_in_sight() -> None:
    found = after([1.0, -1.0] * 2000)
    assert len(found.trace) <= MOST_TRACED
    assert found.trace[-1][0] > 4000 - 2 * found.every


def test_the_ledger_gives_back_what_it_was_given() -> None:
    found = after([1.0, -1.0, 0.0, 1.0])
    assert read_evidence(found.document()) == found


def test_the_benchmark_and_the_worker_bet_alike() -> None:
    rng = np.random.default_rng(5)
    for bets in HARM.values():
        seen = rng.choice([-1.0, 0.0, 0.3, 1.0], 200)
        assert log_wealth(seen[None, :], bets)[0, -1] == pytest.approx(after(list(seen), bets).log)


def test_a_proof_grows_where_both_are_flagged_alike() -> None:
    assert after([0.0] * 400, proof_bets(0.05)).log > math.log(20)


def test_a_proof_does_not_grow_where_the_new_one_is_worse_by_the_margin() -> None:
    rng = random.Random(1)
    worse = [-1.0 if rng.random() < 0.05 else 0.0 for _ in range(3000)]
    assert after(worse, proof_bets(0.05)).highest < math.log(20)


def test_several_tests_share_one_alpha() -> None:
    weighed = Weighed({"flagged": 3.0, "reward": 1.0})
    found = {"flagged": after([1.0] * 5), "reward": after([])}
    told = 0.75 * math.exp(found["flagged"].log) + 0.25
    assert math.exp(weighed.log(found)) == pytest.approx(told)
    assert weighed.guilty(found) == "flagged"
