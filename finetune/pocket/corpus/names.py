"""Invented names, of people and places that do not exist."""

import random

from finetune.pocket.corpus.grammar import capital
from finetune.pocket.corpus.vocabulary import read


def name(rng: random.Random) -> str:
    """An invented name of one to three syllables and an ending."""
    words = read("words")
    count = rng.choice((1, 1, 2, 2, 3))
    parts = [rng.choice(words["syllables"].split()) for _ in range(count)]
    return capital("".join(parts) + rng.choice(words["endings"].split()))


def acronym(rng: random.Random) -> str:
    """Two to four capital letters."""
    return "".join(rng.choice("ABCDEFGHIKLMNOPRSTUVWX") for _ in range(rng.choice((2, 3, 3, 4))))
