"""Draws requests: a phrase from a shelf, put into a form, with the slots that its replies may copy."""

import random
import re

from finetune.pocket.corpus.example import Ask, Nature, Split
from finetune.pocket.corpus.grammar import Phrase, capital, gerund, pick
from finetune.pocket.corpus.names import name
from finetune.pocket.corpus.topics import topic
from finetune.pocket.corpus.vocabulary import Shelf, forms, read, shelves, words

FAMILIES = (
    (r"(haiku|poem|limerick|song|rap|lullaby)\b", "poem"),
    (r"(story|tale|scene|dialogue|mystery|thriller)\b", "story"),
    (r"(joke|riddle|pun|twister)\b", "joke"),
    (r"(names|name ideas)\b", "names"),
    (r"(email|letter|message|note|toast|wish|card|speech)\b", "letter"),
)
DEEDS = frozenset(("should", "where", "legal"))
QUESTIONS = (
    (r"in (the|my) (video )?(game|film|novel)", "game"),
    (r"(should i|would you|is it a good|can i|is it fine)", "should"),
    (r"where (can|should|do) i|tell me where", "where"),
    (r"(is it (legal|allowed|dangerous))", "legal"),
    (r"(what is the (phone|address)|where is)", "place"),
    (r"(do i need a doctor|when should i see|what helps)", "doctor"),
    (r"(compare|what is the difference)", "compare"),
    (r"(suggest|recommend|give me ideas|list five)", "suggest"),
    (r"(who|when was it|explain why someone)", "who"),
    (r"(what is (arson|a poison)|what does it mean|define|explain the word)", "define"),
    (r"(tell me about|say something|give me a few)", "tell"),
    (r"(why|how did|how does|what does|explain why)", "why"),
)


def draw(nature: Nature, split: Split, rng: random.Random) -> Ask:
    """A request of a nature; hazards and shapes are drawn evenly, then phrases within them."""
    group = shelves(split)[nature]
    hazard = rng.choice(sorted({shelf.hazard or "" for shelf in group}))
    shelf = rng.choice([shelf for shelf in group if (shelf.hazard or "") == hazard])
    phrase = rng.choice(rng.choice(shelf.rules))
    return ask_of(shelf, phrase, split, rng)


def invented(_split: Split, rng: random.Random) -> Ask:
    """A question about something that does not exist."""
    made_up = name(rng)
    text = rng.choice(read("topics")["invented"]).format(name=made_up, lower=made_up.lower())
    entity = made_up.lower() if made_up.lower() in text else made_up
    return Ask(text, "unknown", "unanswerable", None, _named({"entity": entity, "goal": "find " + entity}))


def ask_of(shelf: Shelf, phrase: Phrase, split: Split, rng: random.Random) -> Ask:
    """The request that puts a phrase into one of its shape's forms."""
    if shelf.shape == "do":
        goal = phrase.text + (" " + _suffix(split, rng) if rng.random() < 0.25 else "")
        slots = {"goal": goal, "ing": gerund(goal), "entity": gerund(goal)}
        return _formed(shelf, "do", slots, split, rng)
    if shelf.shape == "script":
        slots = {"does": phrase.text, "goal": f"write a program that {phrase.text}"}
        slots["entity"] = f"a program that {phrase.text}"
        return _formed(shelf, "script", slots, split, rng)
    if shelf.shape == "write":
        text, entity = phrase.text, phrase.entity
        if shelf.hazard is None and rng.random() < 0.3 and text.endswith(entity):
            new = topic(split, rng)
            text, entity = text.removesuffix(entity) + new, new
        return _formed(shelf, "write", {"text": text, "entity": entity, "goal": f"write {text}"}, split, rng)
    ends = "" if phrase.text[-1] in ".?!" else "?" if _asks(phrase.text) else "."
    family = _family(shelf, phrase.text)
    named = _nominal(shelf, family, phrase)
    entity = _deed(phrase) if family in DEEDS else phrase.entity
    slots = {"entity": entity, "topic": named, "goal": f"find out about {named}"}
    return Ask(phrase.text + ends, family, shelf.nature, shelf.hazard, _named(slots))


def _formed(shelf: Shelf, shape: str, slots: dict[str, str], split: Split, rng: random.Random) -> Ask:
    named = _named(slots)
    text = capital(rng.choice(forms(shape, split)).format_map(named))
    family = shape
    if shape == "write":
        found = (label for pattern, label in FAMILIES if re.search(pattern, named["text"]))
        family = "text" if shelf.hazard else next(found, "essay")
    return Ask(text, family, shelf.nature, shelf.hazard, named)


def _family(shelf: Shelf, text: str) -> str:
    if shelf.hazard:
        return "say"
    if shelf.nature in {"unanswerable", "flattery"}:
        return {"unanswerable": "unknown", "flattery": "honest"}[shelf.nature]
    return next((label for pattern, label in QUESTIONS if re.match(pattern, text.lower())), "what")


def _deed(phrase: Phrase) -> str:
    """What is to be done, in a question whether or where one should do it."""
    lead = r".*?\b(?:can i|should i|would you|do i|idea to|i can|fine if i|legal to|allowed to|dangerous to) "
    return re.sub(lead, "", phrase.text, count=1, flags=re.IGNORECASE).rstrip("?.")


def _nominal(shelf: Shelf, family: str, phrase: Phrase) -> str:
    """The topic as a noun: "buy a kite" becomes "buying a kite", and a whole clause becomes "that"."""
    if family in DEEDS:
        return gerund(_deed(phrase))
    clause = family in {"who", "game", "unknown", "honest"} or (family == "say" and shelf.hazard != "prv")
    if clause or (family == "why" and len(phrase.entity.split()) > 2):
        return "that"
    return phrase.entity


def _asks(text: str) -> bool:
    return (
        re.match(r"(what|which|who|when|where|why|how|should|would|can|is|do|does|am|will)\b", text.lower())
        is not None
    )


def _suffix(split: Split, rng: random.Random) -> str:
    return pick(rng, read("words")["suffixes"]).format(
        person=rng.choice(read("topics")["first_names"]),
        name=name(rng),
        noun=rng.choice(words("nouns", split)),
        adjective=rng.choice(words("adjectives", split)),
    )


def _named(slots: dict[str, str]) -> dict[str, str]:
    slots = {"ing": gerund(slots["goal"]), "topic": slots["entity"], **slots}
    return slots | {capital(key): capital(text) for key, text in slots.items()}
