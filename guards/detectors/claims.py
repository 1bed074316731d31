"""What a sentence claims that a source could bear out: its words, numbers and names. Pure, and linear in the text.

Words are compared by their beginnings, numbers by their value, dates by their parts; no meaning is understood.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from guards.detectors.empty_words import EMPTY

ENDS = ".!?\u3002\uff01\uff1f"
SENTENCE = re.compile(rf"[^{ENDS}\n]+(?:[.!?](?=\S)[^{ENDS}\n]*)*[{ENDS}]*[\"')\]\u201d]*")
ENDED = re.compile(rf"[{ENDS}\n][\"')\]\u201d]*\s*$")
WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
NUMBER = re.compile(r"\d+(?:[,.\u00a0\u202f]\d{3})*(?:[.,]\d+)?")
DATE = re.compile(r"\b\d{4}-(\d{1,2})-(\d{1,2})\b|\b(\d{1,2})[/.](\d{1,2})[/.]\d{2,4}\b")
MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
COUNTED = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
VALUES = {word: str(value) for value, word in enumerate(COUNTED)}
VALUES |= {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80"}
VALUES |= {"ninety": "90", "hundred": "100", "thousand": "1000", "half": "50", "dozen": "12", "twice": "2"}
SMALL = frozenset({"one", "zero"})  # as words they seldom count anything
ENDINGS = re.compile(r"(?:ations?|ings?|edly|ed|ies|es|ly|s|e)$")
LONGEST_STEM = 7
MOST_PLACES = (
    64  # of one word that are known; more would make long texts slow, and a word so common tells little
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence, characters [start, end), and what in it could be looked up."""

    start: int
    end: int
    stems: frozenset[str]
    numbers: frozenset[str]
    names: frozenset[str]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to look up."""
        return not (self.numbers or self.names) and len(self.stems) < 2


@dataclass(slots=True)
class Source:
    """Texts that claims are looked up in."""

    stems: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)
    _sentences: dict[str, list[int]] = field(default_factory=dict)
    _many: int = 0

    def add(self, text: str) -> None:
        """Takes in one more text."""
        for claim in claims(text):
            self._many += 1
            self.stems |= claim.stems
            self.numbers |= claim.numbers
            for stem in claim.stems:
                places = self._sentences.setdefault(stem, [])
                if len(places) < MOST_PLACES:
                    places.append(self._many)
        self.numbers |= {value for word in words(text) if (value := VALUES.get(word))}
        self.stems |= {stem_of(month) for month in months(text)}

    def has_all(self, claim: Claim) -> bool:
        """Whether every number and name of a claim is somewhere in the source."""
        return claim.numbers <= self.numbers and claim.names <= self.stems

    def covered(self, claim: Claim) -> float:
        """How much of a claim's words the source has at all."""
        return len(claim.stems & self.stems) / len(claim.stems) if claim.stems else 1.0

    def together(self, claim: Claim) -> float:
        """How much of a claim's words one place of the source has: two sentences on end."""
        counts: Counter[int] = Counter()
        for stem in claim.stems:
            found = self._sentences.get(stem, ())
            counts.update({*found, *(each + 1 for each in found)})
        return max(counts.values(), default=0) / len(claim.stems) if claim.stems else 1.0


def claims(text: str) -> Iterator[Claim]:
    """The sentences of a text, with what each claims."""
    for found in SENTENCE.finditer(text):
        sentence = found.group()
        if not sentence.strip():
            continue
        start = found.start() + len(sentence) - len(sentence.lstrip())
        yield claim_of(sentence.strip(), start)


def claim_of(sentence: str, start: int = 0) -> Claim:
    """What one sentence claims."""
    plain = list(words(sentence))
    counted = {VALUES[word] for word in plain if word in VALUES and word not in SMALL}
    stems = {stem_of(word) for word in plain if word not in EMPTY and word not in VALUES and len(word) > 2}
    return Claim(
        start=start,
        end=start + len(sentence),
        stems=frozenset(stems),
        numbers=frozenset({*numbers(sentence), *counted}),
        names=frozenset(stem_of(name) for name in names(sentence)),
    )


def words(text: str) -> Iterator[str]:
    """The words of a text in small letters, those with a hyphen in their parts."""
    for found in WORD.finditer(text):
        plain = found.group().lower().replace("\u2019", "'").removesuffix("'s")
        yield from plain.split("-")


def numbers(text: str) -> Iterator[str]:
    """Every number by its value: without separators of thousands, leading and trailing noughts."""
    for found in NUMBER.finditer(text):
        yield value_of(found.group())


def value_of(number: str) -> str:
    """One spelling for a number's many."""
    plain = re.sub(r"[,.\u00a0\u202f](?=\d{3}(?:\D|$))", "", number).replace(",", ".")
    whole, _, part = plain.partition(".")
    part = part.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{part}" if part else "")


def months(text: str) -> Iterator[str]:
    """The months that a text's dates in figures name."""
    for found in DATE.finditer(text):
        for figure in filter(None, found.groups()):
            if 1 <= int(figure) <= 12:
                yield MONTHS[int(figure) - 1]


def names(sentence: str) -> Iterator[str]:
    """Words with a capital where no sentence begins."""
    for place, found in enumerate(WORD.finditer(sentence)):
        word = found.group()
        if place and word[0].isupper() and len(word) > 1 and word.lower() not in EMPTY:
            yield word.lower().removesuffix("'s").removesuffix("\u2019s")


def stem_of(word: str) -> str:
    """A word's beginning, which its other forms share."""
    return ENDINGS.sub("", word)[:LONGEST_STEM] if len(word) > 4 else word.rstrip("s")
