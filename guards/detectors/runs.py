"""What one text has from another, word for word: looked up by short pieces, so in time linear in both. Pure.

Letters and digits alone are compared, without case, so that spaces, signs and line breaks hide nothing.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

WORD = re.compile(r"[^\W_]+")
# In these scripts words have no spaces between them; two signs count as a word.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]"
)


@dataclass(frozen=True, slots=True)
class Squeezed:
    """A text's letters and digits; character i of it stands in the text at `places[i]`."""

    text: str
    places: "array[int]"
    words: "array[int]"  # where each word begins

    def words_between(self, start: int, end: int) -> int:
        """How many words lie there, whole or begun at its start."""
        first, last = bisect_left(self.words, start), bisect_left(self.words, end)
        return last - first + (first == len(self.words) or self.words[first] != start)


def squeezed(text: str) -> Squeezed:
    """The text without everything that is neither letter nor digit."""
    pieces: list[str] = []
    places, words = array("q"), array("q")
    for word in WORD.finditer(text):
        plain = word.group().lower()
        if len(plain) != word.end() - word.start():
            plain = word.group()  # a letter whose small form is two characters
        begin = len(places)
        if plain.isascii() or not UNSPACED.search(plain):
            words.append(begin)
        else:
            words.extend(range(begin, begin + len(plain), 2))
        pieces.append(plain)
        places.extend(range(word.start(), word.end()))
    return Squeezed("".join(pieces), places, words)


@dataclass(frozen=True, slots=True)
class Run:
    """Characters [start, end) of a squeezed text that stand in another, and how many words they are there."""

    start: int
    end: int
    words: int


class Origin:
    """A text that others may have something from; runs of one and a half times `gram` characters are always found."""

    def __init__(self, text: str, gram: int) -> None:
        self.own = squeezed(text)
        self.gram = gram
        self._at: dict[str, int] = {}
        for place in range(len(self.own.text) - gram, -1, -1):
            self._at[self.own.text[place : place + gram]] = place

    def runs(self, other: str) -> Iterator[Run]:
        """What another squeezed text has from this one, in its order."""
        gram, done = self.gram, 0
        step = max(1, gram // 2)
        place = 0
        while place + gram <= len(other):
            found = self._at.get(other[place : place + gram])
            if found is None:
                place += step
                continue
            start, end, began = self._grown(other, place, found, done)
            yield Run(start, end, self.own.words_between(began, began + end - start))
            done, place = end, max(end, place + step)

    def _grown(self, other: str, place: int, found: int, done: int) -> tuple[int, int, int]:
        """The run around a piece that was found: where it begins and ends in the other, and begins here."""
        own = self.own.text
        start, began = place, found
        while start > done and began and other[start - 1] == own[began - 1]:
            start, began = start - 1, began - 1
        end, until = place + self.gram, found + self.gram
        while end < len(other) and until < len(own) and other[end] == own[until]:
            end, until = end + 1, until + 1
        return start, end, began
