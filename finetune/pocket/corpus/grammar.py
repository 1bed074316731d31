"""Small English grammar: alternations, gerunds, invented names and splits that share no entity."""

import hashlib
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from finetune.pocket.corpus.example import Split

CHOICE = re.compile(r"\[([^\]]*)\]")
DOUBLED = frozenset(
    "get set run cut stab rob hit rig kidnap put sit plan stop grab chop dig knit con jam rip strip swim forget drop "
    "win begin drug spin slip wrap ship scan bug tap step map drip pop hug chat bet dub unplug spot".split()
)
ADVERBS = frozenset("illegally secretly quickly politely safely together 3d".split())
SYLLABLES = "ba bel bor bran da del dor el fen fi gal gor ha hil ka kel lan lo ma mer mi nor o pel quin ra ros sel su ta tor u val vi wen yor za zim zu".split()  # noqa: E501
ENDINGS = "dan del dor k la len lin mar n na nia r ra ris s sk ton tz va ver vik x".split()


@dataclass(frozen=True, slots=True)
class Phrase:
    """An expanded rule: the whole text, and its last choice, the entity by which splits are made."""

    text: str
    entity: str


@cache
def expand(rule: str) -> tuple[Phrase, ...]:
    """Every phrase of a rule; `[a|b] c [d|e]` has four."""
    match = CHOICE.search(rule)
    if match is None:
        return (Phrase(rule, rule),)
    head, tail = rule[: match.start()], rule[match.end() :]
    rest = expand(tail)
    alone = CHOICE.search(tail) is None
    return tuple(
        Phrase(head + option + more.text, option if alone else more.entity)
        for option in match.group(1).split("|")
        for more in rest
    )


def part(items: Iterable[str], split: Split) -> list[str]:
    """The items that belong to a split, decided by their own hash: about 1 in 12 for each of the two small splits."""
    ordered = sorted(set(items), key=lambda item: hashlib.blake2b(item.encode()).digest())
    size = max(1, len(ordered) // 12)
    if len(ordered) < 3:
        return ordered
    return {"heldout": ordered[:size], "validation": ordered[size : 2 * size], "train": ordered[2 * size :]}[
        split
    ]


def gerund(goal: str) -> str:
    """The goal with its verb in the -ing form: "build a kite" becomes "building a kite"."""
    words = goal.split()
    place = 1 if words[0].lower() in ADVERBS and len(words) > 1 else 0
    words[place] = "/".join(_ing(word) for word in words[place].split("/"))
    return " ".join(words)


def _ing(verb: str) -> str:
    if verb in DOUBLED:
        return verb + verb[-1] + "ing"
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) and verb != "be":
        return verb[:-1] + "ing"
    return verb + "ing"


def capital(text: str) -> str:
    """The text with its first letter in upper case, the rest untouched."""
    return text[:1].upper() + text[1:]


def name(rng: random.Random) -> str:
    """An invented name, so that copying cannot rest on known words."""
    count = rng.choice((1, 1, 2, 2, 3))
    return capital("".join(rng.choice(SYLLABLES) for _ in range(count)) + rng.choice(ENDINGS))


def pick(rng: random.Random, items: Sequence[str]) -> str:
    """One of the items with its own alternations decided."""
    text = rng.choice(items)
    return CHOICE.sub(lambda match: rng.choice(match.group(1).split("|")), text)
