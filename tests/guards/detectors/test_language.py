"""The language guard: allowed and denied languages."""

from typing import Any

import pytest
from pydantic import ValidationError

from guards.detectors.language import Language, LanguageConfig
from guards.verdict import Context, Segment, Verdict
from tests.guards.test_language import SENTENCES


def judged(text: str, *, whole: bool = True, **config: Any) -> Verdict:
    guard = Language().build("language", LanguageConfig(**config))
    return guard.check_now(Segment(text, "reply", whole=whole), Context())


def probability(text: str, **config: Any) -> float:
    return judged(text, **config).scores.get("X.language", 0.0)


@pytest.mark.parametrize("code", SENTENCES)
def test_an_allowed_language_passes_and_another_does_not(code: str) -> None:
    assert probability(SENTENCES[code], allowed=(code,)) < 0.3
    others = tuple(other for other in ("en", "de", "ja") if other != code)
    assert probability(SENTENCES[code], allowed=others) > 0.7


def test_a_denied_language_is_found_and_others_are_not() -> None:
    assert probability(SENTENCES["fr"], denied=("fr", "it")) > 0.9
    assert probability(SENTENCES["de"], denied=("fr", "it")) < 0.1


@pytest.mark.parametrize("text", ["", "OK", "def f(x): return x + 1", "4111 1111"])
def test_what_is_in_no_language_passes(text: str) -> None:
    assert probability(text, allowed=("de",)) == 0


def test_a_piece_that_sounds_wrong_waits_and_decides_nothing() -> None:
    wrong = judged(SENTENCES["fr"], whole=False, allowed=("en",))
    right = judged(SENTENCES["en"], whole=False, allowed=("en",))
    assert (wrong.scores, wrong.waits) == ({}, True)
    assert (right.scores, right.waits) == ({}, False)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "needs either"),
        ({"allowed": ("en",), "denied": ("de",)}, "needs either"),
        ({"allowed": ("xx",)}, "cannot tell xx"),
        ({"allowed": ("english",)}, "pattern"),
    ],
)
def test_what_cannot_be_decided_is_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LanguageConfig(**config)
