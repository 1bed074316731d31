"""KL bounds: the reference values, and what must hold between them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.strength import kl

KNOWN = {
    2: (0.193, 0.107),
    4: (0.636, 0.495),
    8: (1.204, 1.101),
    16: (1.835, 1.777),
}  # by n; of Poisson, μ = n − 1


@pytest.mark.parametrize("n", KNOWN)
def test_the_bounds_are_those_of_the_papers(n: int) -> None:
    best, poisson = KNOWN[n]
    assert kl.best_of(n) == pytest.approx(best, abs=5e-4)
    assert kl.best_of_poisson(n - 1.0) == pytest.approx(poisson, abs=1.1e-3)


@pytest.mark.parametrize("mu", [0.05, 0.7, 4.0, 30.0, 200.0])
def test_the_integral_agrees_with_a_plain_sum(mu: float) -> None:
    steps = 200_000
    middle = [(step + 0.5) / steps for step in range(steps)]
    plain = math.fsum(
        (1 + mu * u) * math.exp(mu * (u - 1)) * (math.log1p(mu * u) + mu * (u - 1)) for u in middle
    )
    assert kl.best_of_poisson(mu) == pytest.approx(plain / steps, abs=1e-5)


@given(st.floats(0, 254), st.floats(0.01, 1))
def test_more_strength_moves_further_and_never_further_than_best_of_n(mu: float, more: float) -> None:
    assert 0.0 <= kl.best_of_poisson(mu) <= kl.best_of_poisson(mu + more) + 1e-9
    assert kl.best_of_poisson(mu) <= kl.best_of(1.0 + mu) + 1e-6


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=40))
def test_a_draw_moves_no_further_than_any_choice(weights: list[float]) -> None:
    chances = [weight / sum(weights) for weight in weights]
    assert 0.0 <= kl.drawn_by(chances) <= kl.any_of(len(chances)) + 1e-9


def test_an_even_draw_moves_nowhere_and_a_sure_one_as_far_as_any() -> None:
    assert kl.drawn_by([0.25] * 4) == 0.0
    assert kl.drawn_by([1.0, 0.0, 0.0, 0.0]) == pytest.approx(math.log(4))


@given(st.floats(1.001, 1000))
def test_n_is_found_again_from_its_bound(n: float) -> None:
    assert kl.n_of_kl(kl.best_of(n)) == pytest.approx(n, rel=1e-5)
