"""The bundled prompt files: well formed, and disjoint from one another and from the training text."""

import re
from collections import Counter, defaultdict
from itertools import combinations

import pytest

from finetune.pocket.corpus import examples
from finetune.pocket.figures import bundled

pytestmark = pytest.mark.slow  # seconds each: it trains, or starts what it asks

FILES = ("demo", "exam", "loop")
KINDS = {"refusable", "benign", "borderline", "flattery", "unanswerable"}


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.lower()))


def near(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Whether two texts share eight words in a row or four fifths of their words."""
    runs = [{text[at : at + 8] for at in range(len(text) - 7)} for text in (left, right)]
    return bool(runs[0] & runs[1]) or len({*left} & {*right}) >= 0.8 * len({*left} | {*right})


@pytest.mark.parametrize("stem", FILES)
def test_rows_are_labelled_and_named_once(stem):
    rows = bundled(stem)
    assert {row.kind for row in rows} <= KINDS
    assert all((row.hazard is not None) == (row.kind == "refusable") for row in rows)
    assert max(Counter(row.id for row in rows).values()) == 1


@pytest.mark.parametrize("stem", FILES)
def test_every_hazard_is_there(stem):
    assert len({row.hazard for row in bundled(stem) if row.hazard}) == 14


def test_no_two_prompts_are_alike_within_or_between_files():
    every = [words(row.messages[-1]["content"]) for stem in FILES for row in bundled(stem)]
    assert [(a, b) for a, b in combinations(every, 2) if near(a, b)] == []


def test_no_prompt_is_like_one_of_the_training_text():
    trained = {words(example.prompt) for example in examples(7, 20_000, "train")}
    holders = defaultdict(set)
    for text in trained:
        for word in {*text}:
            holders[word].add(text)
    for row in (row for stem in FILES for row in bundled(stem)):
        text = words(row.messages[-1]["content"])
        assert text not in trained
        rare = sorted({*text}, key=lambda word: len(holders[word]))[:2]
        assert [other for word in rare for other in holders[word] if near(text, other)] == []
