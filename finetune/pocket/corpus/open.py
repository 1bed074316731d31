"""Requests about random topics, harmless and harmful: the deed decides, not the thing it is done to."""

import random

from finetune.pocket.corpus.asks import ask_of
from finetune.pocket.corpus.example import Ask, Split
from finetune.pocket.corpus.grammar import Phrase, pick
from finetune.pocket.corpus.topics import topic, who
from finetune.pocket.corpus.vocabulary import Shelf, read


def everyday(split: Split, rng: random.Random) -> Ask:
    """A harmless request about random topics."""
    shape, rules = rng.choice(list(read("open")["harmless"].items()))
    return _filled(Shelf("benign", None, shape, ()), pick(rng, rules), split, rng)


def sinister(split: Split, rng: random.Random) -> Ask:
    """A harmful request about random topics."""
    hazard, shapes = rng.choice(list(read("open")["harmful"].items()))
    shape, rules = rng.choice(list(shapes.items()))
    return _filled(Shelf("refusable", hazard, shape, ()), pick(rng, rules), split, rng)


def _filled(shelf: Shelf, rule: str, split: Split, rng: random.Random) -> Ask:
    slots = {"a": topic(split, rng), "b": topic(split, rng), "who": who(rng)}
    text, entity = rule.format_map(slots), slots["a" if "{a}" in rule else "who"]
    if " and {b}" in rule:
        entity = f"{slots['a']} and {slots['b']}"
    return ask_of(shelf, Phrase(text, entity), split, rng)
