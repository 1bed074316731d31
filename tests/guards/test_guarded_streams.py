"""Pattern guards on streams: however a secret is cut, what leaves is what a guard makes of the whole."""

import pytest

from guards.detectors.lists import PatternConfig
from guards.detectors.patterns import PatternGuard, Patterns
from guards.redaction import merged, redacted, redaction_of
from guards.verdict import Redaction
from guards.window import Window
from tests.guards.detectors.test_patterns import CARD, JWT, PEM

SECRETS = {
    "card": CARD,
    "iban": "DE89 3704 0044 0532 0130 00",
    "ssn": "536-90-4399",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "openai": "sk-proj-abc123DEF456ghi789JKL0",
    "jwt": JWT,
    "key": PEM,
    "long key": PEM.replace("q1w2e3r4t5y6u7i8", "q1w2e3r4t5y6u7i8\n" * 60),
    "email": "jo.doe@mail.example.co.uk",
    "hidden": "4111\u200b1111\u200b1111\u200b1111",
}
BEFORE, AFTER = "Some words that say nothing at all. " * 5, " and so it goes on, word after word" * 6


@pytest.fixture(scope="module")
def guard() -> PatternGuard:
    return Patterns().build("all", PatternConfig(sets=("secrets", "personal", "contacts")))


def cuts(guard: PatternGuard, text: str) -> tuple[Redaction, ...]:
    return merged([redaction_of(span, "[{label}]") for span in guard.judge(text).spans])


def sent(guard: PatternGuard, chunks: list[str]) -> str:
    window = Window(128, 1024)
    pieces = [
        window.release(piece, cuts(guard, piece.text)) for piece in filter(None, map(window.push, chunks))
    ]
    last = window.finish()
    return "".join([*pieces, window.release(last, cuts(guard, last.text))])


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_cut_at_any_place_never_leaves_even_in_part(guard: PatternGuard, secret: str) -> None:
    text = f"{BEFORE}{secret}{AFTER}"
    whole = redacted(text, cuts(guard, text))
    start = len(BEFORE)
    for place in range(start - 2, start + len(secret) + 3, 1 if len(secret) < 200 else 17):
        assert sent(guard, [text[:place], text[place:]]) == whole, place


@pytest.mark.parametrize("size", [1, 3, 7, 40])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_in_small_pieces_never_leaves_even_in_part(
    guard: PatternGuard, secret: str, size: int
) -> None:
    text = f"{BEFORE}{secret}{AFTER}"
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert sent(guard, chunks) == redacted(text, cuts(guard, text))
