"""Texts rather than requests, written for the guard classifier: posts, chats, diaries, stories, news."""

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from guards.contrast import filled, handwriting
from guards.datasets import Row

ENDS = ".!?\u2026"


def passage_rows(seed: int, size: int) -> Iterator[Row]:
    """As many rows as asked for, half of them harmful; the harmful ones may be harmful in a sentence of many."""
    rng = random.Random(f"{seed}/passages")
    book = phrase_book()
    hazards = sorted(book["harm"])
    for number in range(size):
        hazard = rng.choice(hazards) if number % 2 else None
        sentences = [sentence(book["fine"], book, rng) for _ in range(fine_sentences(hazard, rng))]
        if hazard:
            for _ in range(rng.choice((1, 1, 2, 3, 4))):
                at = rng.randint(0, len(sentences))
                sentences.insert(at, sentence(book["harm"][hazard], book, rng))
        text = rng.choice((" ", " ", " ", "\n")).join(sentences)
        yield Row(text, "passages", unsafe=hazard is not None, hazard=hazard)


def fine_sentences(hazard: str | None, rng: random.Random) -> int:
    """How many harmless sentences a passage has."""
    return rng.randint(1, 7) if hazard is None else rng.choice((0, 0, 0, 1, 1, 2, 3, 5))


def sentence(forms: Sequence[str], book: Mapping[str, Any], rng: random.Random) -> str:
    """A form filled in, in one of several hands, with an end."""
    text = handwriting(" ".join(filled(rng.choice(forms), book["words"], rng).split()), rng)
    return text if text[-1:] in ENDS else text + rng.choice((".", ".", ".", "!", "\u2026", ""))


def diluted_rows(rows: Sequence[Row], size: int, seed: int) -> Iterator[Row]:
    """Requests of all sources among harmless ones, as an attacker hides one; as many harmless rows as harmful ones."""
    rng = random.Random(f"{seed}/diluted")
    short = [row for row in rows if row.unsafe is not None and row.attack is None and len(row.prompt) < 300]
    fine = [row.prompt for row in short if row.unsafe is False and row.source != "small talk"]
    bad = [row for row in short if row.unsafe]
    book = phrase_book()
    if not fine or not bad:
        return
    for number in range(size):
        around = [
            rng.choice(fine) if rng.random() < 0.6 else sentence(book["fine"], book, rng)
            for _ in range(rng.randint(1, 4))
        ]
        row = rng.choice(bad) if number % 2 else Row("", "diluted", unsafe=False)
        if row.prompt:
            around.insert(rng.randint(0, len(around)), row.prompt)
        text = rng.choice((" ", "\n", "\n\n")).join(around)
        yield Row(text, "diluted", unsafe=row.unsafe, hazard=row.hazard)


@cache
def phrase_book() -> Mapping[str, Any]:
    """The phrases as their file has them."""
    found: Mapping[str, Any] = yaml.safe_load((files("guards.models") / "passages.yaml").read_text("utf-8"))
    return found
