"""Small English grammar: alternations, gerunds, invented names and splits that share no entity."""

import hashlib
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from finetune.pocket.corpus.example import Split

CHOICE = re.compile(r"\[([^\]]*)\]")
# Verbs that double their last letter before -ing: one short syllable, or a last one that is stressed.
DOUBLED = re.compile(r"[^aeiou]*[aeiou][^aeiouwxy]|kidnap|unplug|forget|begin|quit")
ADVERBS = frozenset(("illegally", "secretly", "sexually", "quickly", "politely", "safely", "together", "3d"))


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
    """The items of a split, decided by their own hash: about 1 in 12 for each of the two small splits."""
    ordered = sorted(set(items), key=lambda item: hashlib.blake2b(item.encode()).digest())
    size = max(1, len(ordered) // 12)
    if len(ordered) < 3:
        return ordered
    return {"heldout": ordered[:size], "validation": ordered[size : 2 * size], "train": ordered[2 * size :]}[
        split
    ]


def lot(text: str) -> Split:
    """The split that a text belongs to by its own hash, in the shares of `part`."""
    return {0: "heldout", 1: "validation"}.get(hashlib.blake2b(text.encode()).digest()[0] % 12, "train")  # type: ignore[return-value]


def gerund(goal: str) -> str:
    """The goal with its verb in the -ing form: "build a kite" becomes "building a kite"."""
    words = goal.split()
    place = 1 if words[0].lower() in ADVERBS and len(words) > 1 else 0
    words[place] = "/".join(_ing(word) for word in words[place].split("/"))
    return " ".join(words)


def _ing(verb: str) -> str:
    if DOUBLED.fullmatch(verb):
        return verb + verb[-1] + "ing"
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) and verb != "be":
        return verb[:-1] + "ing"
    return verb + "ing"


def capital(text: str) -> str:
    """The text with its first letter in upper case, the rest untouched."""
    return text[:1].upper() + text[1:]


def pick(rng: random.Random, items: Sequence[str]) -> str:
    """One of the items with its own alternations decided."""
    text = rng.choice(items)
    return CHOICE.sub(lambda match: rng.choice(match.group(1).split("|")), text)
