"""HedgeTune and Gao's law on answers whose peak is known."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strength import hedge, kl
from gateway.strength.answers import Floats, Ranked, ranked
from gateway.strength.law import earned, fitted, law_of, peak_of, points_of


def world(prompts: int, answers: int, turn: float, noise: float = 0.3, seed: int = 3) -> list[Ranked]:
    """Gold rises with the proxy's quantile up to a turn, and falls twice as fast beyond it."""
    chance, made = np.random.default_rng(seed), []
    for _ in range(prompts):
        u = np.sort(chance.random(answers))
        gold = np.where(u < turn, u, turn - 8.0 * (u - turn)) + noise * chance.standard_normal(answers)
        made.append(ranked(u, gold))
    return made


@cache
def oracle(turn: float, *, poisson: bool = False) -> float:
    """The peak of the exact expectation, on a fine grid."""
    u = (np.arange(20_000) + 0.5) / 20_000
    gold = np.where(u < turn, u, turn - 8.0 * (u - turn))
    strengths = np.geomspace(1.0, 64.0, 400)

    def mean(s: float) -> float:
        p = (1 + s * u) * np.exp(s * (u - 1)) if poisson else s * u ** (s - 1)
        return float(np.mean(p * gold))

    return float(strengths[int(np.argmax([mean(float(s)) for s in strengths]))])


@pytest.mark.parametrize("turn", [0.7, 0.85, 0.93])
def test_the_peak_of_n_is_found(turn: float) -> None:
    found = hedge.peak(hedge.best_of_n(world(400, 64, turn)), 1.0, 64.0)
    assert found.value == pytest.approx(oracle(turn), rel=0.15)
    assert found.low <= oracle(turn) * 1.05
    assert found.high >= oracle(turn) * 0.95


@pytest.mark.parametrize("turn", [0.85, 0.93])
def test_the_peak_of_mu_is_found(turn: float) -> None:
    found = hedge.peak(hedge.best_of_poisson(world(400, 64, turn)), 0.01, 63.0)
    assert found.value == pytest.approx(oracle(turn, poisson=True), rel=0.15)


@pytest.mark.parametrize("method", ["best_of_n", "best_of_poisson"])
def test_a_prompt_has_the_slope_that_it_has_alone_however_many_answers_others_have(method: str) -> None:
    slopes = getattr(hedge, method)
    prompts = [one for answers in (8, 5, 8, 3) for one in world(2, answers, 0.8, seed=answers)]
    alone = [float(slopes([prompt])(3.0)[0]) for prompt in prompts]
    assert slopes(prompts)(3.0) == pytest.approx(alone, rel=1e-12)


def test_a_proxy_that_is_right_has_no_peak() -> None:
    found = hedge.peak(hedge.best_of_n(world(100, 64, 1.0, noise=0.05)), 1.0, 64.0)
    assert found.value is None
    assert found.without > 0.9
    assert found.high == 64.0


def test_a_proxy_that_is_wrong_everywhere_peaks_at_once() -> None:
    chance = np.random.default_rng(1)
    prompts = [ranked(proxy := chance.random(32), -proxy) for _ in range(20)]
    assert hedge.peak(hedge.best_of_n(prompts), 1.0, 32.0).value == 1.0


def test_the_temperature_of_the_peak_earns_most_of_all() -> None:
    prompts, n = world(300, 64, 0.8), 64
    found = hedge.peak(hedge.soft_best_of_n(prompts, n), 0.05, 100.0)
    assert found.value is not None

    def gold(b: float) -> float:
        def one(p: Ranked) -> float:
            weights = np.exp(b * (p.proxy - p.proxy.max()))
            return float(np.sum(weights * p.gold) / np.sum(weights))

        return float(np.mean([one(p) for p in prompts]))

    assert gold(found.value) >= max(gold(float(b)) for b in np.geomspace(0.05, 100.0, 60)) - 1e-3


@given(st.lists(st.integers(-5, 5).map(float), min_size=4, max_size=9), st.integers(1, 4))
def test_what_n_earns_is_the_mean_over_all_ways_of_drawing(values: list[float], n: int) -> None:
    from itertools import combinations

    drawn = [values[max(places)] for places in combinations(range(len(values)), n)]
    assert earned(np.array(values), n) == pytest.approx(sum(drawn) / len(drawn))


def test_ties_share_their_gold() -> None:
    assert list(ranked([1.0, 1.0, 0.0], [4.0, 2.0, 9.0]).gold) == [9.0, 3.0, 3.0]


def test_the_law_is_found_again_from_its_own_gains() -> None:
    distance = np.sqrt([kl.best_of(n) for n in (2, 4, 8, 16, 32)])
    assert fitted(distance * (2.0 - 0.6 * distance), distance) == pytest.approx((2.0, 0.6))


def test_a_law_without_evidence_of_a_peak_says_so() -> None:
    assert law_of(world(200, 64, 0.8), 64).peaks
    chance = np.random.default_rng(5)

    def straight(proxy: Floats) -> Ranked:
        return ranked(proxy, proxy)

    rising = law_of([straight(chance.standard_normal(64)) for _ in range(100)], 64)
    at = peak_of(rising)
    assert at is None or at > 64


def test_points_tell_the_curve_with_its_intervals() -> None:
    points = points_of(world(100, 32, 0.8), 32)
    assert [point.n for point in points] == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    assert all(point.low <= point.gold <= point.high for point in points)
    assert math.isclose(points[0].kl, 0.0, abs_tol=1e-12)
    assert [p.proxy for p in points] == sorted(p.proxy for p in points)
