"""Keeps what exams ask out of what is learnt: a search for near duplicates, by runs of words that two texts share."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

WORD = re.compile(r"\w+")
RUN_WORDS = 4
ALIKE = 0.6  # of the shorter text's runs
LOOKED_AT = 6000  # characters


@dataclass(frozen=True, slots=True)
class Exhibits:
    """The texts of all exams by their runs of words, and how many runs each has."""

    owners: dict[int, list[int]]
    sizes: list[int]

    def show(self, text: str) -> bool:
        """Whether the text is nearly one of theirs, holds one, or is part of one."""
        own = runs(text)
        shared = Counter(exam for run in own for exam in self.owners.get(run, ()))
        return any(count >= ALIKE * min(self.sizes[exam], len(own)) for exam, count in shared.items())


def exhibits(texts: Iterable[str]) -> Exhibits:
    """The texts, ready to be searched."""
    owners: dict[int, list[int]] = {}
    sizes: list[int] = []
    for text in dict.fromkeys(texts):
        found = runs(text)
        for run in found:
            owners.setdefault(run, []).append(len(sizes))
        sizes.append(len(found))
    return Exhibits(owners, sizes)


def runs(text: str) -> set[int]:
    """Every four words in a row; all words of a text that has fewer."""
    words = WORD.findall(text[:LOOKED_AT].lower())
    if len(words) <= RUN_WORDS:
        return {hash(tuple(words))} if words else set()
    return {hash(tuple(run)) for run in in_rows(words)}


def in_rows(words: list[str]) -> Iterator[tuple[str, ...]]:
    """Each four neighbours."""
    return zip(*(words[at:] for at in range(RUN_WORDS)), strict=False)
