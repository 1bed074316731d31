"""Requests from the guards' written contrasts: harmful ones, and harmless ones that share their words."""

import random
import re

from finetune.pocket.corpus.asks import ask_of
from finetune.pocket.corpus.example import Ask, Nature, Split
from finetune.pocket.corpus.grammar import Phrase, lot
from finetune.pocket.corpus.vocabulary import Shelf
from guards.contrast import drawn, phrase_book

SHAPES = {"do": "do", "make": "write", "say": "say"}
ABOUT = re.compile(r"^.*?\b(?:about|for|to)\b ")
# What our templates answer decently: a question, but not what to do in distress; one text, not "three tips".
USABLE = {"do": r"", "make": r"(a|an|the) ", "say": r"(?!What should I do if).*\?$"}
WHAT_IS = re.compile(r"^(?:what|who|where) (?:is|are|was|were) ", re.IGNORECASE)


def contrasted(split: Split, rng: random.Random) -> Ask:
    """A harmless request in words that often stand in harmful ones."""
    return _from("fine", None, split, rng)


def condemned(split: Split, rng: random.Random) -> Ask:
    """A harmful request; hazards are drawn evenly."""
    return _from("harm", rng.choice(sorted(phrase_book()["harm"])), split, rng)


def _from(side: str, hazard: str | None, split: Split, rng: random.Random) -> Ask:
    book = phrase_book()
    shelf = book["harm"][hazard] if hazard else book[side]
    while True:
        slot, text = drawn(shelf, book, rng)
        if lot(text) == split and re.match(USABLE[slot], text):
            nature: Nature = "refusable" if hazard else "borderline"
            return ask_of(
                Shelf(nature, hazard, SHAPES[slot], ()), Phrase(text, entity_of(slot, text)), split, rng
            )


def entity_of(slot: str, text: str) -> str:
    """What the request is about, as far as its words tell; "that" always reads well."""
    if slot == "make":
        return ABOUT.sub("", text, count=1)
    asked = WHAT_IS.sub("", text.rstrip("?"))
    return asked if asked != text.rstrip("?") else "that"
