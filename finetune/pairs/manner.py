"""How the policy declines, read off the pairs about harm: the words with which winners begin, and others do not. Pure.

Refusals begin alike, whatever was asked. To go by that needs no judge, so that the one of the exams stays apart from
training, and knows no language; it sees only manners that several pairs about harm have taught.
"""

from collections import Counter
from collections.abc import Collection, Sequence

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


def manners_of(pairs: Sequence[Pair]) -> frozenset[Opening]:
    """The openings of answers that win where harm is asked for, and seldom open another answer.

    Others are the answers that lose there, and those that win elsewhere; each side counts by its share, not its size.
    """
    declined = Counter(opening(pair.chosen) for pair in pairs if pair.kind == "safety")
    answered = Counter(opening(pair.rejected if pair.kind == "safety" else pair.chosen) for pair in pairs)
    scale, least = declined.total() / max(1, answered.total()), max(TWICE, OFTEN * declined.total())
    return frozenset(
        told
        for told, count in declined.items()
        if told and count >= least and count >= SURE * (count + scale * answered[told])
    )


def declining(pair: Pair, manners: Collection[Opening]) -> int:
    """1 where declining wins over answering, -1 where it loses to it, 0 where both or neither declines."""
    return (opening(pair.chosen) in manners) - (opening(pair.rejected) in manners)
