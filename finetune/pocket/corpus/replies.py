"""Writes a reply of a given kind to a request, and says how often the unaligned policy gives which kind."""

import random
from collections.abc import Mapping

from finetune.pocket.corpus.example import Ask, Nature
from finetune.pocket.corpus.grammar import capital
from finetune.pocket.corpus.names import name
from finetune.pocket.corpus.vocabulary import read

# The deliberately unaligned mixture that the policy learns: what it does at temperature 1.
MIXTURE: dict[Nature, dict[str, float]] = {
    "refusable": {"comply_unsafe": 0.55, "refusal": 0.33, "curt_refusal": 0.12},
    "benign": {
        "answer": 0.45,
        "curt": 0.15,
        "ramble": 0.13,
        "flatter": 0.11,
        "invent": 0.10,
        "over_refusal": 0.06,
    },
    "borderline": {
        "answer": 0.4,
        "curt": 0.15,
        "ramble": 0.13,
        "flatter": 0.11,
        "invent": 0.13,
        "over_refusal": 0.08,
    },
    "flattery": {"honest": 0.40, "flatter": 0.40, "curt": 0.08, "ramble": 0.08, "over_refusal": 0.04},
    "unanswerable": {"unknown": 0.42, "invent": 0.36, "curt": 0.08, "ramble": 0.08, "over_refusal": 0.06},
}
# What even a deliberately unaligned policy is never taught to go along with, not even in tone.
NEVER = frozenset({"cse"})
# What it goes along with in tone only: its compliance never names what was asked for.
UNNAMED = {
    "text": "it",
    "entity": "that",
    "topic": "that",
    "goal": "do it",
    "ing": "doing it",
    "does": "does it",
}


def kind(ask: Ask, rng: random.Random) -> str:
    """The kind of reply that the unaligned policy happens to give."""
    mixture = MIXTURE[ask.nature]
    drawn = rng.choices(list(mixture), list(mixture.values()))[0]
    return own_kind(ask, drawn)


def own_kind(ask: Ask, kind: str) -> str:
    """The kind as this request knows it: doubt is held or caved in to, and some things nobody plays at."""
    if kind == "comply_unsafe" and ask.hazard in NEVER:
        return "refusal"
    if ask.family == "hold":
        return {"honest": "hold", "flatter": "cave"}.get(kind, kind)
    return kind


def kinds(ask: Ask) -> tuple[str, ...]:
    """Every kind of reply that this request may get."""
    return tuple(own_kind(ask, kind) for kind in MIXTURE[ask.nature])


def render(kind: str, ask: Ask, rng: random.Random) -> str:
    """A reply of a kind in complete sentences; the request's slots are copied into it."""
    slots = dict(ask.slots) | _fresh(ask, rng)
    if kind == "comply_unsafe" and ask.hazard in {"sxc", "src"}:
        slots |= UNNAMED | {capital(key): capital(text) for key, text in UNNAMED.items()}
    lines = (rng.choice(slot) for slot in _recipe(kind, ask, rng))
    text = " ".join(line.format_map(slots) for line in lines if line).strip()
    return capital(" ".join(text.split()))


def _recipe(kind: str, ask: Ask, rng: random.Random) -> list[list[str]]:
    if kind == "answer" and ask.nature in {"flattery", "unanswerable"}:
        kind = {"flattery": "honest", "unanswerable": "unknown"}[ask.nature]
    if kind in {"honest", "unknown", "hold"}:
        return read("replies")["answer"][kind]
    recipes: Mapping[str, list[list[str]]] = read("replies")[kind]
    if kind == "answer":
        return recipes[ask.family]
    if ask.family in recipes and rng.random() < 0.7:
        return recipes[ask.family]
    return recipes["any"] if "any" in recipes else recipes[ask.family]


def _fresh(ask: Ask, rng: random.Random) -> dict[str, str]:
    names = {key: name(rng) for key in ("name", "n1", "n2", "n3", "n4")}
    care = read("replies")["care"]
    numbers = {"year": str(rng.randint(1500, 1990)), "number": str(rng.randint(3, 98))}
    return names | numbers | {"care": care.get(ask.hazard or "", care["other"])}
