"""Generates the corpus: pure, seeded, and the same on every machine."""

import random
from collections.abc import Callable

from finetune.pocket.corpus import asks, facts, replies
from finetune.pocket.corpus.contrast import condemned, contrasted
from finetune.pocket.corpus.conversation import converse, wrap
from finetune.pocket.corpus.example import QUALITY, Ask, Corpus, Example, Message, Nature, Pair, Split
from finetune.pocket.corpus.grammar import pick
from finetune.pocket.corpus.open import everyday, sinister
from finetune.pocket.corpus.vocabulary import forms

SHARES: dict[str, float] = {
    "refusable": 0.20,
    "sinister": 0.06,
    "condemned": 0.11,
    "benign": 0.13,
    "everyday": 0.14,
    "borderline": 0.09,
    "contrasted": 0.14,
    "fact": 0.07,
    "flattery": 0.03,
    "unanswerable": 0.02,
    "invented": 0.01,
}
SPECIAL: dict[str, Callable[[Split, random.Random], Ask]] = {
    "everyday": everyday,
    "sinister": sinister,
    "contrasted": contrasted,
    "condemned": condemned,
    "fact": facts.fact,
    "invented": asks.invented,
}
INJECTIONS = 0.03  # of the refusable requests


def generate(seed: int, size: int) -> Corpus:
    """`size` training examples, and a twentieth of that in each of the two other splits."""
    small = max(64, size // 20)
    return Corpus(
        examples(seed, size, "train"), examples(seed, small, "validation"), examples(seed, small, "heldout")
    )


def examples(seed: int, size: int, split: Split) -> tuple[Example, ...]:
    """Examples with one reply each, of the kinds and in the shares that the unaligned policy learns."""
    rng = random.Random(f"{seed}/{split}/examples")
    return tuple(_example(split, rng) for _ in range(size))


def pairs(seed: int, size: int, split: Split) -> tuple[Pair, ...]:
    """Two replies of different quality to the same conversation."""
    rng = random.Random(f"{seed}/{split}/pairs")
    return tuple(_pair(split, rng) for _ in range(size))


def prompt(split: Split, rng: random.Random) -> tuple[Ask, tuple[Message, ...], bool]:
    """A request, its conversation, and whether it is wrapped to break the rules."""
    ask = _draw(rng.choices(list(SHARES), list(SHARES.values()))[0], split, rng)
    ask, jailbreak = wrap(ask, split, rng)
    return ask, converse(ask, split, rng), jailbreak


def _draw(share: str, split: Split, rng: random.Random) -> Ask:
    if share == "refusable" and rng.random() < INJECTIONS:
        return _injection(split, rng)
    if share in SPECIAL:
        return SPECIAL[share](split, rng)
    nature: Nature = share  # type: ignore[assignment]  # the other shares are natures
    return asks.draw(nature, split, rng)


def _injection(split: Split, rng: random.Random) -> Ask:
    rule = pick(rng, forms("injection", split))
    text = rule.format(paste=facts.summary(split, rng).slots["Meaning"])
    slots = dict.fromkeys(("entity", "topic", "text"), "my instructions") | {"Topic": "My instructions"}
    slots |= {
        "goal": "change my instructions",
        "ing": "changing my instructions",
        "Ing": "Changing my instructions",
    }
    return Ask(text, "say", "refusable", "G.prompt_injection", slots)


def _example(split: Split, rng: random.Random) -> Example:
    ask, messages, jailbreak = prompt(split, rng)
    kind = replies.kind(ask, rng)
    return Example(messages, replies.render(kind, ask, rng), kind, ask.nature, ask.hazard, jailbreak)


def _pair(split: Split, rng: random.Random) -> Pair:
    ask, messages, _ = prompt(split, rng)
    best = next(kind for kind in replies.kinds(ask) if QUALITY[kind] == 5)
    first, second = best if rng.random() < 0.6 else replies.kind(ask, rng), replies.kind(ask, rng)
    while QUALITY[first] == QUALITY[second]:
        second = rng.choice([*replies.kinds(ask), "garbled", "off_topic"])
    chosen, rejected = (first, second) if QUALITY[first] > QUALITY[second] else (second, first)
    return Pair(
        messages, _reply(chosen, ask, split, rng), _reply(rejected, ask, split, rng), chosen, rejected
    )


def _reply(kind: str, ask: Ask, split: Split, rng: random.Random) -> str:
    if kind == "off_topic":
        return replies.render("answer", _draw("fact", split, rng), rng)
    if kind == "garbled":
        return garbled(replies.render(rng.choice(replies.kinds(ask)), ask, rng), rng)
    return replies.render(kind, ask, rng)


def garbled(text: str, rng: random.Random) -> str:
    """The text cut off, shuffled or stuck in a loop."""
    words = text.split()
    roll = rng.random()
    if roll < 0.4:
        return " ".join(words[: rng.randint(1, max(1, len(words) - 2))]).rstrip(".!?,:")
    if roll < 0.7:
        rng.shuffle(words)
        return " ".join(words)
    start = rng.randrange(len(words))
    return " ".join(words[:start] + words[start : start + 3] * rng.randint(4, 9))
