"""How many candidates: what was asked, fewer under load, more for a risky prompt, never beyond the bounds."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.strategies.size import Sizing, lowered, raised, sized

COUNTS, SHARES = st.integers(1, 64), st.floats(0, 1)


@given(COUNTS, COUNTS, COUNTS, SHARES, SHARES, st.floats(0, 0.99))
def test_the_size_stays_between_what_is_returned_and_the_bounds(
    samples: int, returned: int, most: int, load: float, risk: float, above: float
) -> None:
    samples = max(samples, returned)
    found = sized(samples, returned, load, risk, Sizing(most, above))
    assert returned <= found <= max(samples, most)


@given(COUNTS, COUNTS, SHARES, SHARES)
def test_the_riskier_the_more(samples: int, most: int, one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert samples <= raised(samples, low, Sizing(most)) <= raised(samples, high, Sizing(most))


@given(COUNTS, SHARES, SHARES, SHARES)
def test_the_busier_the_fewer(samples: int, risk: float, one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert sized(samples, 1, high, risk, Sizing(64)) <= sized(samples, 1, low, risk, Sizing(64))


def test_a_prompt_without_risk_gets_what_was_asked_and_the_riskiest_all() -> None:
    assert [raised(4, risk, Sizing(16)) for risk in (0.0, 0.5, 0.75, 1.0)] == [4, 4, 10, 16]


@given(st.integers(1, 64), st.integers(1, 64))
def test_no_load_takes_nothing_and_a_full_one_all_but_what_is_returned(one: int, other: int) -> None:
    returned, samples = sorted([one, other])
    assert (lowered(samples, returned, 0.0), lowered(samples, returned, 1.0)) == (samples, returned)
