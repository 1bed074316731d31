"""Exchanges written for the guard classifier: harmful ones by hazard, harmless ones that share their words."""

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
    """As many rows as asked for, half of them harmful; forms and manners of answering are alike in both halves."""
    rng = random.Random(f"{seed}/contrast")
    book = phrase_book()
    for number in range(size):
        harmful = number % 2 == 0
        hazard = rng.choice(sorted(book["harm"])) if harmful else None
        shelf = book["harm"][hazard] if harmful else book["fine"]
        slot, phrase = drawn(shelf, book, rng)
        complies = rng.random() < 0.6
        yield Row(
            request(slot, phrase, book, rng),
            "contrast",
            unsafe=harmful,
            reply=reply(slot, phrase, hazard, book, rng, complies=complies),
            reply_unsafe=harmful and complies,
            hazard=hazard,
        )


def drawn(shelf: Mapping[str, list[str]], book: Mapping[str, Any], rng: random.Random) -> tuple[str, str]:
    """A phrase of the shelf, and the slot that it fills: `do`, `make` or `say`."""
    slots = [slot for slot in SLOTS if slot in shelf]
    slot = rng.choices(slots, [weight(shelf[slot]) for slot in slots])[0]
    return slot, " ".join(filled(rng.choice(shelf[slot]), book["words"], rng).split())


def request(slot: str, phrase: str, book: Mapping[str, Any], rng: random.Random) -> str:
    """The phrase put into a form of its slot, in one of several hands."""
    form = filled(rng.choice(book["forms"][slot]), {slot: [phrase]}, rng)
    return handwriting(" ".join(form.split()), rng)


def reply(
    slot: str, phrase: str, hazard: str | None, book: Mapping[str, Any], rng: random.Random, *, complies: bool
) -> str:
    """An answer that goes along, or one that refuses; sometimes cut short, as a stream shows it."""
    manners = book["replies"]
    words = {**manners, slot: [phrase], "do": [phrase if slot == "do" else "do that"]}
    if not complies:
        form = rng.choice(manners["refuse"] + manners["explain"])
    elif hazard is None and (slot == "say" or rng.random() < 0.25):
        form = rng.choice(manners["inform"])
    else:
        form = rng.choice(manners["comply"][slot])
    text = filled(form, words, rng).strip()
    if complies and hazard in manners["agree"] and (slot == "say" or rng.random() < 0.3):
        text = f"{text} {' '.join(rng.sample(manners['agree'][hazard], 2))}"
    return text[: rng.randrange(40, 400)] if rng.random() < 0.3 else text


def weight(phrases: list[str]) -> int:
    """How much a slot is drawn: by the choices that its phrases offer."""
    return sum(3 + phrase.count("|") for phrase in phrases)


def filled(text: str, words: Mapping[str, Any], rng: random.Random) -> str:
    """The text with every choice made and every named word drawn."""
    while found := CHOICE.search(text):
        text = text[: found.start()] + rng.choice(found.group(1).split("|")) + text[found.end() :]
    while found := WORD.search(text):
        text = text[: found.start()] + rng.choice(words[found.group(1)]) + text[found.end() :]
    return text


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
