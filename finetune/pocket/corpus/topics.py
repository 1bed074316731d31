"""Random topics: nouns, adjectives, people and invented names, so combined that none is ever quite new."""

import random

from finetune.pocket.corpus.example import Split
from finetune.pocket.corpus.names import acronym, name
from finetune.pocket.corpus.vocabulary import read, words


def topic(split: Split, rng: random.Random) -> str:
    """A thing, a name, somebody's thing, or two of them."""
    noun, adjective = rng.choice(words("nouns", split)), rng.choice(words("adjectives", split))
    article = "an" if adjective[0] in "aeiou" else "a"
    return rng.choice(
        (
            f"the {noun}",
            f"{noun} {rng.choice(words('nouns', split))}",
            f"the {adjective} {noun}",
            f"{article} {adjective} {noun}",
            f"my {adjective} {noun}",
            f"{name(rng)} {name(rng)}",
            f"{name(rng)} {noun}",
            f"{who(rng)}'s {noun}",
            f"the {noun} of {name(rng)}",
            f"the {noun} and the {rng.choice(words('nouns', split))}",
            f"{acronym(rng)} and {acronym(rng)}",
            f"{adjective} {noun}s",
        )
    )


def who(rng: random.Random) -> str:
    """Somebody: a relation, a role or a name."""
    person = rng.choice(read("topics")["first_names"])
    relation = rng.choice(read("words")["relations"].split())
    return rng.choice(
        (f"my {relation}", f"a {relation}", f"the {relation}", person, name(rng), f"Mr {name(rng)}")
    )
