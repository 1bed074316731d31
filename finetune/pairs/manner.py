"""How the policy declines, read off the pairs about harm: the words with which winners begin, and others do not. Pure.

Refusals begin alike, whatever was asked. To go by that needs no judge, so that the one of the exams stays apart from
training, and knows no language; it sees only manners that pairs about harm have taught more than once.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from finetune.pairs.pair import Pair
from finetune.pairs.similarity import words

OPENING, SURE, TWICE = (
    3,
    0.8,
    2,
)  # words; the least share of winners about harm among those who begin so; of them

Opening = tuple[str, ...]


def opening(text: str) -> Opening:
    """The first words."""
    return tuple(words(text)[:OPENING])


def manners_of(pairs: Sequence[Pair]) -> frozenset[Opening]:
    """The openings of answers that win where harm is asked for, and seldom open another answer.

    Others are the answers that lose there, and those that win elsewhere; each side counts by its share, not its size.
    """
    declined = Counter(opening(pair.chosen) for pair in pairs if pair.kind == "safety")
    answered = Counter(opening(pair.rejected if pair.kind == "safety" else pair.chosen) for pair in pairs)
    scale = declined.total() / max(1, answered.total())
    return frozenset(
        told
        for told, count in declined.items()
        if told and count >= TWICE and count >= SURE * (count + scale * answered[told])
    )


def declining(pair: Pair, manners: Collection[Opening]) -> int:
    """1 where declining wins over answering, -1 where it loses to it, 0 where both or neither declines."""
    return (opening(pair.chosen) in manners) - (opening(pair.rejected) in manners)
