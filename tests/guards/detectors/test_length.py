"""The length guard: bounds, and what of them a stream can know before its end."""

from typing import Any

import pytest
from pydantic import ValidationError

from guards.detectors.length import Length, LengthConfig
from guards.verdict import Context, Segment, Verdict


def judged(text: str, *, whole: bool = True, **bounds: Any) -> Verdict:
    guard = Length().build("length", LengthConfig(**bounds))
    return guard.check_now(Segment(text, "reply", whole=whole), Context())


@pytest.mark.parametrize(
    ("text", "bounds", "hazards"),
    [
        ("12345", {"max_chars": 5}, set()),
        ("123456", {"max_chars": 5}, {"X.too_long"}),
        ("one two three", {"max_words": 2}, {"X.too_long"}),
        ("one", {"min_words": 2}, {"X.too_short"}),
        ("a\nb\nc", {"max_lines": 2}, {"X.too_long"}),
        ("世界", {"min_chars": 2}, set()),
        ("", {"min_chars": 1}, {"X.too_short"}),
        ("a b", {"max_chars": 2, "min_words": 3}, {"X.too_long", "X.too_short"}),
        ("long", {"max_chars": 1, "too_long": "X.brief"}, {"X.brief"}),
    ],
)
def test_a_text_is_measured(text: str, bounds: dict[str, Any], hazards: set[str]) -> None:
    assert set(judged(text, **bounds).scores) == hazards


def test_a_piece_may_be_too_long_already() -> None:
    assert judged("123456", whole=False, max_chars=5).scores == {"X.too_long": 1.0}


def test_a_piece_that_is_too_short_waits() -> None:
    verdict = judged("1", whole=False, min_chars=5)
    assert (verdict.scores, verdict.waits) == ({}, True)
    assert not judged("12345", whole=False, min_chars=5).waits


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "needs at least one bound"),
        ({"max_words": 3, "min_words": 4}, "min_words is more than max_words"),
        ({"max_chars": 0}, "greater than or equal to 1"),
    ],
)
def test_bounds_that_no_text_keeps_are_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LengthConfig(**config)


def test_only_what_it_can_report_is_declared() -> None:
    assert Length().hazards(LengthConfig(max_chars=3), "reply") == {"X.too_long"}
