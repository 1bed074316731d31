"""Every answer is delivered as it was sampled; OpenAI's own meaning of `n`."""

from collections.abc import Sequence

from gateway.exchange import Candidate
from gateway.strategies.contract import NOTHING, PLAIN, Choice, Gathers, Knobs, Rewarded


class Single:
    """As many candidates as choices, in the engine's order; one that is withheld leaves its refusal there."""

    ranks = False
    rewarded: Rewarded = "unused"
    gathers: Gathers = "together"
    asks_for = NOTHING

    def choose(self, candidates: Sequence[Candidate], returned: int, knobs: Knobs = PLAIN) -> Choice:
        """All of them, in order."""
        winners = tuple(range(min(returned, len(candidates))))
        if any(candidates[index].safe for index in winners):
            return Choice(
                winners, "The only candidate asked for." if returned == 1 else "Every candidate asked for."
            )
        return Choice(winners, "Every candidate was withheld by the guard policy.")
