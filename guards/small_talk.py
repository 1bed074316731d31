"""Short exchanges, all fine, written for the guard classifier: greetings, follow-ups, labels, one-word answers."""

import random
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from guards.contrast import filled, handwriting
from guards.datasets import Row

ENDS = ("", "", "", ".", "!", "?")


def small_talk_rows(seed: int, size: int) -> Iterator[Row]:
    """As many rows as asked for; every kind of exchange is drawn equally often."""
    rng = random.Random(f"{seed}/small talk")
    book = phrase_book()
    for _ in range(size):
        exchange = rng.choice(book["exchanges"])
        asked, said = (line(rng.choice(exchange[side]), book["words"], rng) for side in ("ask", "say"))
        yield Row(asked, "small talk", unsafe=False, reply=said, reply_unsafe=False)


def line(form: str, words: Mapping[str, Any], rng: random.Random) -> str:
    """A form filled in, with or without an end."""
    text = " ".join(filled(form, words, rng).split())
    return handwriting(text if text[-1:] in ".?!" else text + rng.choice(ENDS), rng)


@cache
def phrase_book() -> Mapping[str, Any]:
    """The phrases as their file has them."""
    found: Mapping[str, Any] = yaml.safe_load((files("guards.models") / "small_talk.yaml").read_text("utf-8"))
    return found
