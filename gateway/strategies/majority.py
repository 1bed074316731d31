"""The answer that most candidates come to; of those that give it, the one with the highest reward.

Source: self-consistency, Wang et al. 2023 (arXiv 2203.11171). It needs answers that compare: where they do not, the
choice is best-of-n's, and says so.
"""

from collections import Counter
from collections.abc import Sequence

from gateway.exchange import Candidate
from gateway.strategies.answers import answer_of
from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.contract import NOTHING, PLAIN, Choice, Gathers, Knobs, Rewarded
from gateway.strategies.dial import worths
from gateway.strategies.ranking import distinct_first, none_safe, safe_of


class Majority:
    """Ranks safe candidates by how many give the same answer, then by reward, then in the engine's order."""

    ranks = True
    rewarded: Rewarded = "used"
    gathers: Gathers = "together"
    asks_for = NOTHING

    def choose(self, candidates: Sequence[Candidate], returned: int, knobs: Knobs = PLAIN) -> Choice:
        """The best of each answer, the most frequent answer first; then the others."""
        safe = safe_of(candidates)
        if not safe:
            return none_safe(candidates)
        answers = {position: answer_of(candidates[position]) for position in safe}
        if not compare(list(answers.values())):
            instead = BestOfN().choose(candidates, returned, knobs)
            return Choice(instead.winners, f"The answers do not compare. {instead.why}")
        votes, worth = Counter(answers.values()), worths(candidates, knobs)
        votes[None] = 0
        ranked = sorted(safe, key=lambda position: (-votes[answers[position]], -worth[position]))
        winners = distinct_first(ranked, answers.__getitem__)[:returned]
        won = votes[answers[winners[0]]]
        return Choice(tuple(winners), f"The answer of {won} of {len(safe)} safe candidates.")


def compare(answers: Sequence[str | None]) -> bool:
    """Whether more than half have an answer and two agree: else there is nothing to vote on."""
    given = [answer for answer in answers if answer is not None]
    return 2 * len(given) > len(answers) and max(Counter(given).values(), default=0) > 1
