"""How the policy declines, read off the pairs about harm: the words with which winners begin, and others do not. Pure.

Refusals begin alike, whatever was asked. To go by that needs no judge, so that the one of the exams stays apart from
training, and knows no language; it sees only manners that several pairs about harm have taught. Attackers write pairs
too: what hangs on one key alone does not count where several others, who bring enough, say otherwise.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from finetune.pairs.pair import Pair
from finetune.pairs.similarity import words
from guards.detectors.runs import UNSPACED

OPENING, HEAD = 3, 200  # words, within so many characters
TWICE, OFTEN = 2, 0.01  # least winners about harm that begin so: in number, and of all of them
SURE = 0.8  # least share of them among all that begin so
# Several keys are heard against one from half of its pairs on: the share of a key leaves its others two thirds, and a
# few pairs do not gainsay many.
SEVERAL, HEARD = 2, 0.5

Opening = tuple[str, ...]


def opening(text: str) -> Opening:
    """The first words; where a script has no spaces between them, the first signs, two for a word."""
    first = words(text[:HEAD])[:OPENING]
    return ("".join(first)[: 2 * OPENING],) if first and UNSPACED.match(first[0]) else tuple(first)


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of one opening: how many answers begin so, of how many."""

    declined: int = 0
    winners: int = 0
    answered: int = 0
    others: int = 0  # as many as there are pairs

    @property
    def sure(self) -> bool:
        """Whether it seldom opens another answer; each side counts by its share, not its size."""
        scale = self.winners / max(1, self.others)
        return self.declined > 0 and self.declined >= SURE * (self.declined + scale * self.answered)

    def says(self, *, taught: bool) -> bool:
        """Whether it is said often enough where harm is asked for, and seldom elsewhere; or often enough elsewhere."""
        count, of = (self.declined, self.winners) if taught else (self.answered, self.others)
        return count >= max(TWICE, OFTEN * of) and self.sure is taught


@dataclass(frozen=True, slots=True)
class Begun:
    """How often somebody's answers begin so or so: those that win where harm is asked for, and others, one a pair."""

    declined: Counter[Opening] = field(default_factory=Counter)
    answered: Counter[Opening] = field(default_factory=Counter)

    def take(self, pair: Pair) -> None:
        """Others are the answers that lose where harm is asked for, and those that win elsewhere."""
        safety = pair.kind == "safety"
        self.declined.update([opening(pair.chosen)] if safety else [])
        self.answered.update([opening(pair.rejected if safety else pair.chosen)])

    def said(self, told: Opening) -> Said:
        """What is said of one opening."""
        winners, others = self.declined.total(), self.answered.total()
        return Said(self.declined[told], winners, self.answered[told], others)


def together(some: Sequence[Said]) -> Said:
    """What several say of an opening."""
    return Said(
        sum(each.declined for each in some),
        sum(each.winners for each in some),
        sum(each.answered for each in some),
        sum(each.others for each in some),
    )


def manners_of(pairs: Iterable[Pair]) -> frozenset[Opening]:
    """The openings of answers that win where harm is asked for, and seldom open another answer."""
    whole, keys = Begun(), defaultdict[str, Begun](Begun)
    for pair in pairs:
        keys[pair.provenance.key_id].take(pair)
    for each in keys.values():
        whole.declined.update(each.declined)
        whole.answered.update(each.answered)
    least = max(TWICE, OFTEN * whole.declined.total())
    often = (told for told, count in whole.declined.items() if told and count >= least)
    return frozenset(told for told in often if stands(told, whole, keys.values()))


def stands(told: Opening, whole: Begun, keys: Iterable[Begun]) -> bool:
    """Whether an opening is taken for a manner of declining.

    All pairs together decide. But whoever says most for their verdict is left out once: where several others who speak
    of it at all bring enough pairs beside that one's, and say otherwise, they are believed.
    """
    sure = whole.said(told).sure
    *others, lone = sorted(
        (each.said(told) for each in keys if told in each.declined or told in each.answered),
        key=lambda each: each.declined if sure else each.answered,
    )
    rest = together(others)
    heard = len(others) >= SEVERAL and rest.others >= HEARD * lone.others
    return sure is not (heard and rest.says(taught=not sure))


def declining(pair: Pair, manners: Collection[Opening]) -> int:
    """1 where declining wins over answering, -1 where it loses to it, 0 where both or neither declines."""
    return (opening(pair.chosen) in manners) - (opening(pair.rejected) in manners)
