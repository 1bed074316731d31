"""How the policy declines, read off the pairs about harm: the words with which winners begin, and others do not. Pure.

Refusals begin alike, whatever was asked. To go by that needs no judge, so that the one of the exams stays apart from
training, and knows no language; it sees only manners that several pairs about harm have taught. Attackers write pairs
too: what one key alone says, for or against, counts for nothing where several others say otherwise.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from finetune.pairs.pair import Pair
from finetune.pairs.similarity import words
from guards.detectors.runs import UNSPACED

OPENING, HEAD = 3, 200  # words, within so many characters
TWICE, OFTEN = 2, 0.01  # least winners about harm that begin so: in number, and of all of them
SURE = 0.8  # least share of them among all that begin so

Opening = tuple[str, ...]


def opening(text: str) -> Opening:
    """The first words; where a script has no spaces between them, the first signs, two for a word."""
    first = words(text[:HEAD])[:OPENING]
    return ("".join(first)[: 2 * OPENING],) if first and UNSPACED.match(first[0]) else tuple(first)


@dataclass(frozen=True, slots=True)
class Said:
    """How often answers begin so: those that win where harm is asked for, and others."""

    declined: Counter[Opening]
    answered: Counter[Opening]

    def sure(self, told: Opening) -> bool:
        """Whether it seldom opens another answer; each side counts by its share, not its size."""
        scale, count = self.declined.total() / max(1, self.answered.total()), self.declined[told]
        return count > 0 and count >= SURE * (count + scale * self.answered[told])

    def teaches(self, told: Opening) -> bool:
        """Whether it is said often enough where harm is asked for, and seldom elsewhere."""
        return self.declined[told] >= max(TWICE, OFTEN * self.declined.total()) and self.sure(told)

    def gainsays(self, told: Opening) -> bool:
        """Whether it is said often enough elsewhere."""
        often = self.answered[told] >= max(TWICE, OFTEN * self.answered.total())
        return often and not self.sure(told)


def said_in(pairs: Iterable[Pair]) -> Said:
    """Others are the answers that lose where harm is asked for, and those that win elsewhere."""
    told = Said(Counter(), Counter())
    for pair in pairs:
        safety = pair.kind == "safety"
        told.declined.update([opening(pair.chosen)] if safety else [])
        told.answered.update([opening(pair.rejected if safety else pair.chosen)])
    return told


def manners_of(pairs: Sequence[Pair]) -> frozenset[Opening]:
    """The openings of answers that win where harm is asked for, and seldom open another answer.

    All pairs together decide, unless one key alone says so or otherwise and several gainsay it: then these do.
    """
    owned: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        owned[pair.provenance.key_id].append(pair)
    whole, keys = said_in(pairs), [said_in(mine) for mine in owned.values()]
    least = max(TWICE, OFTEN * whole.declined.total())
    often = (told for told, count in whole.declined.items() if told and count >= least)
    return frozenset(told for told in often if stands(told, whole, keys))


def stands(told: Opening, whole: Said, keys: Sequence[Said]) -> bool:
    """Whether an opening is taken for a manner of declining."""
    teaching = sum(each.teaches(told) for each in keys)
    gainsaying = sum(each.gainsays(told) for each in keys)
    if 1 in (teaching, gainsaying) and max(teaching, gainsaying) > 1:
        return teaching > gainsaying
    return whole.sure(told)


def declining(pair: Pair, manners: Collection[Opening]) -> int:
    """1 where declining wins over answering, -1 where it loses to it, 0 where both or neither declines."""
    return (opening(pair.chosen) in manners) - (opening(pair.rejected) in manners)
