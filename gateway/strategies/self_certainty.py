"""The candidate of which the policy model itself is surest; no reward model is asked.

    certainty = mean over tokens of KL(uniform ‖ p)

Source: Kang et al., NeurIPS 2025 (arXiv 2502.18581). Engines tell no whole distributions, so p is that of the likeliest
alternatives of each token, made to add up to 1: an even one is worth 0, a peaked one much. Where answers compare, each
candidate gives its answer a Borda vote by its rank, else the surest wins.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.exchange import Candidate
from gateway.strategies.answers import answer_of
from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.contract import PLAIN, Choice, Gathers, Knobs, Rewarded
from gateway.strategies.majority import compare
from gateway.strategies.ranking import best_first, distinct_first, none_safe, safe_of

ALTERNATIVES = 20  # of each token: as many as OpenAI's and vLLM's interfaces give
BORDA = 0.5  # the power of a rank's vote: 0 is a plain majority, a large one listens to the surest alone
LOWEST = -20.0  # a logprob below it counts as this: engines tell of the impossible as −9999 or as they like


class SelfCertainty:
    """Ranks safe candidates by certainty; without any it is best-of-n, and says so."""

    ranks = True
    rewarded: Rewarded = "unused"
    gathers: Gathers = "together"
    asks_for: Mapping[str, Any] = {"logprobs": True, "top_logprobs": ALTERNATIVES}

    def choose(self, candidates: Sequence[Candidate], returned: int, knobs: Knobs = PLAIN) -> Choice:
        """The surest first; where answers compare, the surest of the answer with the most votes."""
        safe = safe_of(candidates)
        if not safe:
            return none_safe(candidates)
        sure = {position: certainty_of(candidates[position]) for position in safe}
        if all(each == -math.inf for each in sure.values()):
            instead = BestOfN().choose(candidates, returned, knobs)
            return Choice(instead.winners, f"The engine told no logprobs to be sure by. {instead.why}")
        ranked = best_first(safe, candidates, sure.__getitem__)
        answers = {position: answer_of(candidates[position]) for position in safe}
        if not compare(list(answers.values())):
            why = (
                f"The surest, {sure[ranked[0]]:.4g}, of {len(safe)} safe candidates among {len(candidates)}."
            )
            return Choice(tuple(ranked[:returned]), why)
        votes = borda(ranked, answers)
        ranked = sorted(ranked, key=lambda position: -votes[answers[position]])
        winners = distinct_first(ranked, answers.__getitem__)[:returned]
        share = votes[answers[winners[0]]] / math.fsum(votes.values())
        return Choice(
            tuple(winners),
            f"The answer with {share:.0%} of the votes by certainty of {len(safe)} safe candidates.",
        )


def certainty_of(candidate: Candidate) -> float:
    """A candidate's certainty; −inf where nothing is known of it."""
    return -math.inf if candidate.certainty is None else candidate.certainty


def borda(ranked: Sequence[int], answers: Mapping[int, str | None]) -> dict[str | None, float]:
    """The votes for each answer; those without one vote for nothing."""
    votes: dict[str | None, float] = defaultdict(float)
    for rank, position in enumerate(ranked):
        votes[answers[position]] += (len(ranked) - rank) ** BORDA if answers[position] is not None else 0.0
    return votes


def certainty(tokens: Sequence[Sequence[float]]) -> float | None:
    """Certainty from the logprobs of each token's alternatives, in nats; None where no token has two of them."""
    told = [_certain(alternatives) for alternatives in tokens if len(alternatives) > 1]
    return math.fsum(told) / len(told) if told else None


def _certain(logprobs: Sequence[float]) -> float:
    kept = [max(LOWEST, each) for each in logprobs]
    highest = max(kept)
    whole = highest + math.log(math.fsum(math.exp(each - highest) for each in kept))
    return max(0.0, whole - math.log(len(kept)) - math.fsum(kept) / len(kept))
