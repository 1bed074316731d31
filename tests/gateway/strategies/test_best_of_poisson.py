"""Best-of-Poisson: n is 1 + Poisson(μ), within bounds, and the same for the same exchange."""

import math
from statistics import fmean, pvariance

from hypothesis import given
from hypothesis import strategies as st

from gateway.strategies.best_of_poisson import drawn_n, poisson
from gateway.strategies.contract import Knobs


@given(st.floats(0, 255), st.integers(1, 8), st.integers(8, 256), st.text(max_size=9))
def test_n_stays_within_its_bounds_and_is_the_exchanges_own(
    mu: float, least: int, most: int, seed: str
) -> None:
    knobs = Knobs(mu=mu, seed=seed)
    assert least <= drawn_n(knobs, least, most) <= most
    assert drawn_n(knobs, least, most) == drawn_n(knobs, least, most)


@given(st.floats(0.01, 60), st.floats(0.001, 0.999))
def test_the_draw_is_the_quantile_of_the_distribution(mu: float, chance: float) -> None:
    k = poisson(mu, chance, 10_000)

    def reached(last: int) -> float:
        return sum(math.exp(-mu + j * math.log(mu) - math.lgamma(j + 1)) for j in range(last + 1))

    assert reached(k) >= chance - 1e-9
    assert k == 0 or reached(k - 1) < chance + 1e-9


def test_mean_and_variance_are_mu() -> None:
    drawn = [drawn_n(Knobs(mu=3.0, seed=str(number)), 1, 256) - 1 for number in range(20_000)]
    assert abs(fmean(drawn) - 3.0) < 0.06
    assert abs(pvariance(drawn) - 3.0) < 0.18


def test_without_mu_there_is_one_sample() -> None:
    assert drawn_n(Knobs(mu=0.0, seed="x"), 1, 16) == 1
