"""The words by which letters that were run together are parted: counted from texts of the project's own, no others."""

import re
from collections import Counter
from importlib.resources import files

import pytest

from finetune.pocket.corpus import examples
from guards.contrast import contrast_rows
from guards.passages import passage_rows
from guards.small_talk import small_talk_rows
from guards.text.joined import known_words

WORD = re.compile("[a-z]+")
SIZE = 6_400


def counted() -> list[str]:
    """The list as it was made: `words.txt` is what this returns, a line each."""
    counts: Counter[str] = Counter()
    written = (*contrast_rows(1, 20_000), *small_talk_rows(1, 4_000), *passage_rows(1, 8_000))
    for text in (said for row in written for said in (row.prompt, row.reply or "")):
        counts.update(WORD.findall(text.lower()))
    for each in examples(1, 20_000, "train"):
        counts.update(WORD.findall(f"{each.prompt} {each.reply}".lower()))
    common = (word for word, times in counts.most_common() if times > 1 and (len(word) > 1 or word in "ai"))
    return [word for word, _ in zip(common, range(SIZE), strict=False)]


@pytest.mark.slow
def test_every_word_is_of_the_projects_own_texts() -> None:
    listed = (files("guards.text") / "words.txt").read_text("utf-8").split()
    assert len(set(listed)) == len(listed) == SIZE
    assert set(listed) <= set(counted())


def test_the_rarer_a_word_the_more_it_costs() -> None:
    costs = list(known_words().values())
    assert costs == sorted(costs)
    assert len(costs) == SIZE
