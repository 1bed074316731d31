"""A safe candidate drawn by its reward: the better the likelier, by a temperature λ.

    P(i) ∝ exp(reward_i / λ)         λ → 0 is best-of-n, λ → ∞ the plain policy

Source: Verdun et al., soft best-of-n (arXiv 2505.03156), as used in arXiv 2506.19248. Drawn by Gumbel's trick, in which
each candidate has a chance of its own: so several winners are several draws without putting back.
"""

import math
from collections.abc import Sequence

from gateway.exchange import Candidate
from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.contract import NOTHING, PLAIN, Choice, Gathers, Knobs, Rewarded
from gateway.strategies.dial import UNRANKED, worths
from gateway.strategies.ranking import best_first, safe_of


class SoftBestOfN:
    """Draws among safe candidates by reward; without rewards, or at λ = 0, it is best-of-n."""

    ranks = True
    rewarded: Rewarded = "needed"
    gathers: Gathers = "together"
    asks_for = NOTHING

    def choose(self, candidates: Sequence[Candidate], returned: int, knobs: Knobs = PLAIN) -> Choice:
        """The winners in the order in which they were drawn."""
        safe, worth = safe_of(candidates), worths(candidates, knobs)
        scored = [position for position in safe if worth[position] > UNRANKED]
        if not scored or knobs.temperature <= 0.0:
            return BestOfN().choose(candidates, returned, knobs)
        highest = max(worth[position] for position in scored)

        def drawn(position: int) -> float:
            return worth[position] - highest + knobs.temperature * gumbel(knobs.chance(f"soft/{position}"))

        ranked = best_first(scored, candidates, drawn)
        ranked += [position for position in safe if position not in scored]
        chance = chances([worth[position] for position in scored], knobs.temperature)
        return Choice(
            tuple(ranked[:returned]),
            f"Drawn by reward at temperature {knobs.temperature:.4g} with a chance of "
            f"{chance[scored.index(ranked[0])]:.1%} among {len(safe)} safe candidates of {len(candidates)}.",
        )


def chances(worth: Sequence[float], temperature: float) -> list[float]:
    """The probability of each candidate at a temperature above 0; rewards must be finite."""
    highest = max(worth)
    weights = [math.exp((each - highest) / temperature) for each in worth]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def gumbel(chance: float) -> float:
    """The standard Gumbel variable at a quantile above 0 and below 1."""
    return -math.log(-math.log(chance))
