"""Harmless requests in many languages, and harmless code, addresses and signs, for the guard classifier."""

import random
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from guards.contrast import CHOICE, WORD
from guards.datasets import Row


def language_rows(seed: int, size: int) -> Iterator[Row]:
    """As many rows as asked for; every language is drawn equally often."""
    rng = random.Random(f"{seed}/languages")
    book = phrase_book()
    names = sorted(book)
    for number in range(size):
        words = book[names[number % len(names)]]
        lines = [line(rng.choice(words["s"]), words, rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        yield Row(" ".join(lines), "languages", unsafe=False)


def line(form: str, words: Mapping[str, Any], rng: random.Random) -> str:
    """A form with every choice made that is one, and every word drawn; brackets and braces of code stay."""
    text = CHOICE.sub(lambda found: rng.choice(found[1].split("|")) if "|" in found[1] else found[0], form)
    return WORD.sub(lambda found: rng.choice(words[found[1]]) if found[1] in words else found[0], text)


@cache
def phrase_book() -> Mapping[str, Any]:
    """The phrases as their file has them."""
    found: Mapping[str, Any] = yaml.safe_load((files("guards.models") / "languages.yaml").read_text("utf-8"))
    return found
