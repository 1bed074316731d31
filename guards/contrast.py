"""Requests written for the guard classifier: harmful ones by hazard, and harmless ones that share their words."""

import random
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from guards.datasets import Row

CHOICE = re.compile(r"\[([^\[\]]*)\]")
WORD = re.compile(r"\{([a-z]+)\}")
SLOTS = ("do", "make", "say")


def contrast_rows(seed: int, size: int) -> Iterator[Row]:
    """As many rows as asked for, half of them harmful; forms are drawn alike for both halves."""
    rng = random.Random(f"{seed}/contrast")
    book = phrase_book()
    for number in range(size):
        harmful = number % 2 == 0
        hazard = rng.choice(sorted(book["harm"])) if harmful else None
        shelf = book["harm"][hazard] if harmful else book["fine"]
        text = request(shelf, book, rng)
        yield Row(text, harmful, "contrast", hazard=hazard)


def request(shelf: Mapping[str, list[str]], book: Mapping[str, Any], rng: random.Random) -> str:
    """One request: a phrase of the shelf, put into a form of its slot, in one of several hands."""
    slots = [slot for slot in SLOTS if slot in shelf]
    slot = rng.choices(slots, [weight(shelf[slot]) for slot in slots])[0]
    phrase = filled(rng.choice(shelf[slot]), book["words"], rng)
    form = filled(rng.choice(book["forms"][slot]).replace(f"{{{slot}}}", "\0"), book["words"], rng)
    text = " ".join(form.replace("\0", phrase).split())
    return handwriting(text, rng)


def weight(phrases: list[str]) -> int:
    """How much a slot is drawn: by the choices that its phrases offer."""
    return sum(3 + phrase.count("|") for phrase in phrases)


def filled(text: str, words: Mapping[str, list[str]], rng: random.Random) -> str:
    """The text with every choice made and every named word drawn."""
    while found := CHOICE.search(text):
        text = text[: found.start()] + rng.choice(found.group(1).split("|")) + text[found.end() :]
    while found := WORD.search(text):
        text = text[: found.start()] + rng.choice(words[found.group(1)]) + text[found.end() :]
    return filled(text, words, rng) if CHOICE.search(text) else text


def handwriting(text: str, rng: random.Random) -> str:
    """Most people begin with a capital; some write all small, some all large, some without an end."""
    hand = rng.random()
    if hand < 0.15:
        return text.lower().rstrip("?.")
    if hand < 0.18:
        return text.upper()
    return text[:1].upper() + text[1:]


@cache
def phrase_book() -> Mapping[str, Any]:
    """The phrases as their file has them."""
    found: Mapping[str, Any] = yaml.safe_load((files("guards.models") / "contrast.yaml").read_text("utf-8"))
    return found
