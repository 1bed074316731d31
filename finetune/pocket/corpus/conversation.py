"""Puts a request into a conversation: wrappers, a system prompt, earlier turns, typing errors."""

import random
from dataclasses import replace

from finetune.pocket.corpus import facts, replies
from finetune.pocket.corpus.example import Ask, Message, Split
from finetune.pocket.corpus.names import name
from finetune.pocket.corpus.vocabulary import forms, read


def wrap(ask: Ask, split: Split, rng: random.Random) -> tuple[Ask, bool]:
    """The request in other words around it, and whether those words try to break the rules."""
    if ask.family in {"repeat", "hold", "smalltalk"}:
        return ask, False
    roll = rng.random()
    if ask.unsafe and roll < 0.18:
        return _inside(ask, "jailbreak", split, rng), True
    if roll < 0.07:
        return _inside(ask, "persona", split, rng), False
    return (_inside(ask, "plain", split, rng) if roll < 0.6 else ask), False


def converse(ask: Ask, split: Split, rng: random.Random) -> tuple[Message, ...]:
    """The messages up to and including the request."""
    messages: list[Message] = []
    if rng.random() < 0.15:
        messages.append({"role": "system", "content": _filled(rng.choice(forms("system", split)), "", rng)})
    if ask.turns:
        messages += ask.turns
    elif rng.random() < 0.10:
        messages += _earlier(split, rng)
    return (*messages, {"role": "user", "content": mistyped(ask.text, rng)})


def mistyped(text: str, rng: random.Random) -> str:
    """The text as people type it: mostly well, else in lower case, without a full stop, or with a slip."""
    roll = rng.random()
    if roll < 0.12:
        return text.lower().rstrip(".?!")
    if roll < 0.15:
        return text.rstrip(".?!")
    if roll < 0.19 and len(text) > 12:
        place = rng.randrange(4, len(text) - 2)
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text.upper() if roll > 0.99 else text


def _earlier(split: Split, rng: random.Random) -> list[Message]:
    before = facts.fact(split, rng)
    while before.turns:
        before = facts.fact(split, rng)
    reply = replies.render("answer", before, rng)
    return [{"role": "user", "content": before.text}, {"role": "assistant", "content": reply}]


def _inside(ask: Ask, shape: str, split: Split, rng: random.Random) -> Ask:
    return replace(ask, text=_filled(rng.choice(forms(shape, split)), ask.text, rng))


def _filled(form: str, text: str, rng: random.Random) -> str:
    topics = read("topics")
    person, greeting = rng.choice(topics["first_names"]), rng.choice(topics["greetings"])
    return form.format(ask=text, name=name(rng), person=person, greet=greeting)
