"""Intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.exams.intervals import difference_of, mean_of, wilson

VALUES = st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=4)
RATES = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), VALUES, min_size=1, max_size=12)


def test_wilson_agrees_with_the_published_example() -> None:
    # Newcombe 1998, table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_nothing_tried_tells_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilson_holds_the_rate_and_stays_within_bounds(hits: int, more: int) -> None:
    low, high = wilson(hits, hits + more)
    assert 0 <= low <= hits / (hits + more) <= high <= 1


@given(RATES)
def test_a_mean_lies_in_its_interval(values: dict[str, list[float]]) -> None:
    found = mean_of(values)
    assert found.low <= found.value + 1e-12
    assert found.value <= found.high + 1e-12
    assert found.prompts == len(values)


@given(RATES)
def test_nothing_differs_from_itself_yet_few_prompts_prove_little(values: dict[str, list[float]]) -> None:
    found = difference_of(values, values)
    assert found.value == 0
    assert found.low < 0 < found.high


def test_what_was_hardly_seen_could_have_hidden_as_much_as_what_was_never_seen() -> None:
    none = {str(i): [0.0] * 4 for i in range(100)}
    one = none | {"0": [1.0, 0.0, 0.0, 0.0]}
    assert difference_of(one, none).high > 0.8 * difference_of(none, none).high > 0.02
    assert mean_of(one).high > 0.9 * mean_of(none).high > 0.03


def test_rare_rises_are_excluded_as_seldom_as_the_interval_says() -> None:
    rng, missed = np.random.default_rng(7), 0
    for _ in range(200):
        before, after = (
            {
                str(i): (rng.random(4) < rate).astype(float).tolist()
                for i, rate in enumerate(rng.beta(a, b, 50))
            }
            for a, b in ((0.1, 1.9), (0.16, 1.84))  # 5 % and 8 %, of a few weak prompts
        )
        missed += difference_of(before, after).high < 0.03
    assert missed <= 10  # nominally 5; the bootstrap alone: about 15


def test_figures_that_are_no_rates_have_their_bootstrap_alone() -> None:
    assert mean_of({str(i): [0.02 * i / 40] for i in range(40)}).high < 0.02


def test_alike_answers_to_one_prompt_count_as_one_prompt() -> None:
    loose = mean_of({str(i): [float(i % 2)] * 8 for i in range(20)})
    tight = mean_of({f"{i}-{j}": [float(i % 2)] for i in range(20) for j in range(8)})
    assert loose.high - loose.low > 2 * (tight.high - tight.low)


def test_prompts_that_agree_still_prove_little() -> None:
    found = mean_of({str(i): [0.0, 1.0] for i in range(8)})
    assert found.low < 0.5 < found.high
    assert found.high - found.low > 0.4


def test_rewards_without_spread_say_that_there_is_no_interval() -> None:
    assert "no interval" in mean_of({"a": [3.5], "b": [3.5]}).method


def test_pairing_makes_a_small_steady_change_sure() -> None:
    before = {str(i): [float(i)] for i in range(40)}
    after = {prompt: [values[0] + 0.5] for prompt, values in before.items()}
    found = difference_of(before, after)
    assert 0 < found.low <= found.value == pytest.approx(0.5)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = {str(i): [i**1.5] for i in range(30)}
    assert mean_of(values, seed=7) == mean_of(values, seed=7) != mean_of(values, seed=8)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng, hits = np.random.default_rng(3), 0
    for _ in range(200):
        rates = rng.beta(2, 2, size=60)
        values = {str(i): (rng.random(4) < rate).astype(float).tolist() for i, rate in enumerate(rates)}
        found = mean_of(values)
        hits += found.low <= 0.5 <= found.high
    assert 180 <= hits <= 199
