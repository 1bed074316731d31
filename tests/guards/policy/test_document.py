"""A policy's bounds on selection: what they say of weights that nobody named, and what is no range."""

import pytest
from pydantic import ValidationError

from guards.policy.document import Bounds


def test_nobody_lowers_safety_far_unless_a_policy_lets_them() -> None:
    assert Bounds().weights("safety") == (0.5, 1.0)
    assert Bounds(dial={"safety": (0.0, 1.0)}).weights("safety") == (0.0, 1.0)


def test_a_head_that_is_not_named_may_weigh_anything() -> None:
    assert Bounds().weights("brevity") == (0.0, 1.0)


@pytest.mark.parametrize(
    ("bounds", "place"),
    [
        ({"dial": {"safety": (0.9, 0.1)}}, ("dial", "safety")),
        ({"dial": {"safety": (0.0, 2.0)}}, ("dial", "safety", 1)),
        ({"dial": {"Not a head": (0.0, 1.0)}}, ("dial", "Not a head", "[key]")),
        ({"strategies": []}, ("strategies",)),
        ({"strategies": ["best_of_two"]}, ("strategies", 0)),
    ],
)
def test_what_is_not_understood_is_refused_where_it_stands(
    bounds: dict[str, object], place: tuple[object, ...]
) -> None:
    with pytest.raises(ValidationError) as refused:
        Bounds.model_validate(bounds)
    assert refused.value.errors()[0]["loc"] == place
