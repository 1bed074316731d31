"""In which language a text is written, by a small model that is loaded when it is first asked."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

SURE = 0.6  # a likelier language than this is told, a less likely one is not
FEWEST_LETTERS = 12  # less says little: greetings and names are much alike
IDEOGRAPH_LETTERS = 4  # what one character of Chinese, Japanese or Korean counts for
READ_CHARS = 600  # of the beginning, and of the middle and the end of a long text
NO_LANGUAGE = "zxx"  # numbers, code, noise
# What looks the same in every language: code, addresses, placeholders, numbers.
WORDLESS = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|\S{1,64}@\S{1,200}|\u2039[^\u203a\n]{1,80}\u203a|[\d_]+",
    re.DOTALL,
)
LETTER = re.compile(r"[^\W\d_]")
IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def language_of(text: str) -> str | None:
    """The ISO 639-1 code of the language that most of a text is in; None when it is short or doubtful."""
    found = likely_languages(text)
    likeliest = max(found, key=found.__getitem__, default=None)
    return likeliest if likeliest is not None and found[likeliest] >= SURE else None


def likely_languages(text: str) -> Mapping[str, float]:
    """The probability of each language that the text may be in, by ISO 639-1 code; none where it has few letters.

    They add up to at most one: what is missing is the chance that it is in no language at all.
    """
    told = sample(text)
    if size(told) < FEWEST_LETTERS:
        return {}
    return {code: share for code, share in model().rank(told) if code != NO_LANGUAGE}


def known_languages() -> frozenset[str]:
    """The codes that can be told apart."""
    return frozenset(model().labels) - {NO_LANGUAGE}


def sample(text: str) -> str:
    """What is read of a text: its words, and of a long one those of its beginning, middle and end."""
    pieces = [text]
    if len(text) > 4 * READ_CHARS:
        middle = len(text) // 2
        pieces = [text[: 2 * READ_CHARS], text[middle : middle + READ_CHARS], text[-READ_CHARS:]]
    words = [WORDLESS.sub(" ", piece) for piece in pieces]
    return " ".join(" ".join(words).split())[: 3 * READ_CHARS]


def size(text: str) -> int:
    """How many letters a text has, a character that stands for a syllable or a word counting for several."""
    return len(LETTER.findall(text)) + (IDEOGRAPH_LETTERS - 1) * len(IDEOGRAPH.findall(text))


@cache
def model() -> Any:
    """The identifier, told to know no language without a code of two letters; about a second and 80 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - only when it is asked

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([code for code in identifier.labels if len(code) == 2 or code == NO_LANGUAGE])
    return identifier
