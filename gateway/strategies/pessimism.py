"""Inference-time pessimism: drawn with a chance that grows with the reward, and not beyond what n can vouch for.

    P(i) = max(0, (reward_i − λ) / β) / N,       λ such that these add up to 1

Source: Huang et al., ICML 2025, arXiv 2503.21878 (χ²-regularised). Its reward does not fall as N grows; for win rate
alone a well-tuned n does as well (arXiv 2603.05739), so that this is a choice and no default.
"""

from collections.abc import Sequence

from gateway.exchange import Candidate
from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.contract import NOTHING, PLAIN, Choice, Gathers, Knobs, Rewarded
from gateway.strategies.dial import UNRANKED, worths
from gateway.strategies.ranking import best_first, safe_of


class Pessimism:
    """Draws among the safe candidates with the highest rewards; without rewards, or at β = 0, it is best-of-n."""

    ranks = True
    rewarded: Rewarded = "needed"
    gathers: Gathers = "together"
    asks_for = NOTHING

    def choose(self, candidates: Sequence[Candidate], returned: int, knobs: Knobs = PLAIN) -> Choice:
        """The drawn one first, then the others by reward."""
        safe, worth = safe_of(candidates), worths(candidates, knobs)
        scored = [position for position in safe if worth[position] > UNRANKED]
        if not scored or knobs.temperature <= 0.0:
            return BestOfN().choose(candidates, returned, knobs)
        chance = pessimistic([worth[position] for position in scored], knobs.temperature)
        winner = drawn(scored, chance, knobs.chance("pessimism"))
        ranked = best_first(
            safe, candidates, lambda position: float("inf") if position == winner else worth[position]
        )
        return Choice(
            tuple(ranked[:returned]),
            f"Drawn pessimistically with a chance of {chance[scored.index(winner)]:.1%} among "
            f"{sum(each > 0 for each in chance)} of {len(safe)} safe candidates.",
        )


def pessimistic(rewards: Sequence[float], beta: float) -> list[float]:
    """The probability of each; `beta` above 0, in units of the reward: the larger, the more alike they are."""
    count, total, floor = len(rewards), 0.0, float("-inf")
    for k, reward in enumerate(sorted(rewards, reverse=True), start=1):
        total += reward
        candidate = (total - count * beta) / k
        if reward <= candidate:
            break
        floor = candidate
    weights = [max(0.0, reward - floor) for reward in rewards]
    whole = sum(weights)
    return [weight / whole for weight in weights]


def drawn(positions: Sequence[int], chances: Sequence[float], chance: float) -> int:
    """The position at which the probabilities, added up, pass a chance."""
    reached = 0.0
    for position, each in zip(positions, chances, strict=True):
        reached += each
        if chance < reached:
            return position
    return max(zip(chances, positions, strict=True), key=lambda pair: pair[0])[1]
