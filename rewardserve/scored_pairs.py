"""The rewards that a model gives to both answers of labelled pairs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rewardserve.errors import BadInput
from rewardserve.pairs import LabelledPair
from rewardserve.scorer import ItemT, Message, Scorer

AT_ONCE = 16  # pairs for one call of the model
Progress = Callable[[int, int], None]  # done, of how many


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """A pair with the rewards of its answers."""

    pair: LabelledPair
    chosen: float
    rejected: float

    @property
    def margin(self) -> float:
        """By how much the better answer is rewarded more."""
        return float(self.chosen) - float(self.rejected)


@dataclass(frozen=True, slots=True)
class ScoredPairs:
    """All that could be scored, and how many could not, each for being more than the model reads."""

    pairs: list[ScoredPair]
    refused: int


def score_pairs(
    scorer: Scorer[ItemT], pairs: Sequence[LabelledPair], progress: Progress = lambda *_: None
) -> ScoredPairs:
    """Both rewards of each pair; raises ScoringError for all but pairs that the model cannot read."""
    found: list[ScoredPair] = []
    for start in range(0, len(pairs), AT_ONCE):
        group = pairs[start : start + AT_ONCE]
        ready = [(pair, items) for pair in group if (items := prepared(scorer, pair)) is not None]
        rewards = scorer.score([item for _, items in ready for item in items])
        found += [
            ScoredPair(pair, rewards[2 * place], rewards[2 * place + 1])
            for place, (pair, _) in enumerate(ready)
        ]
        progress(min(start + AT_ONCE, len(pairs)), len(pairs))
    return ScoredPairs(found, len(pairs) - len(found))


def prepared(scorer: Scorer[ItemT], pair: LabelledPair) -> Sequence[ItemT] | None:
    """Both answers as the model reads them; None where it cannot."""
    try:
        return scorer.prepare([Message(**turn) for turn in pair.messages], [pair.chosen, pair.rejected])
    except BadInput:
        return None
