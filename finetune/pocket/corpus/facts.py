"""Requests with one right answer: sums, orders, meanings, recipes, capitals, small talk, echoes."""

import random
from collections.abc import Callable
from functools import cache

from finetune.pocket.corpus.example import Ask, Message, Split
from finetune.pocket.corpus.grammar import capital, part
from finetune.pocket.corpus.names import name
from finetune.pocket.corpus.vocabulary import read, words

Draw = Callable[[Split, random.Random], Ask]


def fact(split: Split, rng: random.Random) -> Ask:
    """One request of a random sort."""
    return rng.choice(SORTS)(split, rng)


def sum_of(_split: Split, rng: random.Random) -> Ask:
    """A small sum, difference or product."""
    first, second = rng.randint(2, 20), rng.randint(2, 12)
    sign, result = rng.choice((("+", first + second), ("-", first - second), ("*", first * second)))
    word = {"+": "plus", "-": "minus", "*": "times"}[sign]
    shown = rng.choice((f"{first} {sign} {second}", f"{first} {word} {second}"))
    text = rng.choice(
        ("What is {}?", "Calculate {}.", "How much is {}?", "Please work out {}.", "{}", "Solve {}.")
    )
    wrong = str(result + rng.choice((-7, -2, 1, 3, 10)))
    slots = {"sum": shown, "result": str(result), "wrong": wrong, "claim": f"{shown} is {result}."}
    return _ask(text.format(shown), "sum", slots | {"entity": shown, "goal": f"calculate {shown}"})


def order(_split: Split, rng: random.Random) -> Ask:
    """A shop customer with an order number."""
    topics = read("topics")
    product = f"{rng.choice(topics['colours'])} {rng.choice(topics['products'])}"
    number = f"{rng.choice('ABCDEFGHKLMNPRSTUVWXYZ')}{rng.randint(100, 9999)}"
    text = rng.choice(
        (
            f"Where is my order {number} of a {product}?",
            f"My {product} from order {number} arrived broken. What can I do?",
            f"I want to return the {product}. The order number is {number}.",
            f"Order {number}: the {product} has not come yet.",
            f"Can I change order {number}? I bought a {product}.",
            f"The {product} in order {number} is too small. Can I get my money back?",
            f"hi, order {number}, {product}, still waiting",
        )
    )
    slots = {"order": number, "product": product, "days": str(rng.randint(2, 30))}
    return _ask(text, "order", slots | {"entity": f"the {product}", "goal": f"track the {product}"})


def meaning(split: Split, rng: random.Random) -> Ask:
    """The meaning of a word."""
    word, text = rng.choice(_entries("definitions", split))
    form = rng.choice(
        (
            "What is {}?",
            "What does {} mean?",
            "Define {}.",
            "Explain the word {}.",
            "define {}",
            "Meaning of {}?",
        )
    )
    return _about(form.format(word), "define_fact", word, text)


def dish(split: Split, rng: random.Random) -> Ask:
    """A recipe."""
    word, text = rng.choice(_entries("dishes", split))
    form = rng.choice(
        (
            "How do I cook {}?",
            "What do I need for {}?",
            "Give me a recipe for {}.",
            "Recipe for {}, please.",
            "What goes into {}?",
        )
    )
    return _about(form.format(word), "dish", word, text)


def capital_city(split: Split, rng: random.Random) -> Ask:
    """A country's capital."""
    country, city = rng.choice(_entries("capitals", split))
    form = rng.choice(
        (
            "What is the capital of {}?",
            "Name the capital of {}.",
            "Which city is the capital of {}?",
            "capital of {}",
        )
    )
    return _about(form.format(country), "capital", country, city)


def smalltalk(split: Split, rng: random.Random) -> Ask:
    """A friendly word."""
    lines = dict(read("topics")["smalltalk"])
    text = rng.choice(part(lines, split))
    return _ask(text, "smalltalk", {"line": lines[text], "entity": "that", "goal": "talk"})


def echo(split: Split, rng: random.Random) -> Ask:
    """Words to say back: the plainest exercise in copying."""
    said = [rng.choice((rng.choice(words("nouns", split)), name(rng))) for _ in range(rng.randint(2, 7))]
    line = " ".join(said)
    form = rng.choice(
        ("Repeat after me: {}", "Say these words: {}", "Copy this line: {}", "Please write exactly: {}")
    )
    return _ask(form.format(line), "repeat", {"echo": line, "entity": line, "goal": "repeat it"})


def summary(split: Split, rng: random.Random) -> Ask:
    """A pasted text with a request to sum it up."""
    word, text = rng.choice(_entries("definitions", split))
    others = rng.sample(_entries("definitions", split), min(3, len(_entries("definitions", split))))
    filler = " ".join(f"{capital(a)} is {b}." for a, b in others if a != word)
    pasted = (
        f"{capital(word)} is {text}. Many people care about {word}. {filler} {capital(word)} stays important."
    )
    form = rng.choice(
        (
            "Summarise this text: {}",
            "Sum up in one sentence: {}",
            "{} What is this text about?",
            "TL;DR of this: {}",
        )
    )
    return _about(form.format(pasted), "summary", word, text)


def doubt(split: Split, rng: random.Random) -> Ask:
    """A right answer, and a user who doubts it."""
    ask = rng.choice((sum_of, capital_city, meaning))(split, rng)
    slots = dict(ask.slots)
    claim = slots.get("claim") or f"{capital(slots['word'])} is {slots['meaning']}."
    if ask.family == "capital":
        claim = f"the capital of {slots['word']} is {slots['meaning']}."
    again = rng.choice(read("topics")["doubts"])
    turns: tuple[Message, ...] = (
        {"role": "user", "content": ask.text},
        {"role": "assistant", "content": capital(claim)},
    )
    return Ask(again, "hold", "flattery", None, slots | {"claim": claim}, turns)


SORTS: tuple[Draw, ...] = (
    sum_of, sum_of, order, order, meaning, meaning, dish, capital_city, smalltalk, echo, echo, summary, doubt,
)  # fmt: skip


@cache
def _entries(table: str, split: Split) -> list[tuple[str, str]]:
    entries = read("topics")[table]
    return [(str(key), entries[key]) for key in part(entries, split)]


def _about(text: str, family: str, word: str, meaning: str) -> Ask:
    return _ask(
        text, family, {"word": word, "meaning": meaning, "entity": word, "goal": f"learn about {word}"}
    )


def _ask(text: str, family: str, slots: dict[str, str]) -> Ask:
    slots = {"ing": "asking about " + slots["entity"], "topic": slots["entity"], **slots}
    slots |= {capital(key): capital(value) for key, value in slots.items()}
    return Ask(text, family, "benign", None, slots)
