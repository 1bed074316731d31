"""The safe candidate with the highest reward, of n sampled together."""

from collections.abc import Sequence

from gateway.exchange import Candidate
from gateway.strategies.contract import NOTHING, PLAIN, Choice, Gathers, Knobs, Rewarded
from gateway.strategies.dial import UNRANKED, dialled, worths
from gateway.strategies.ranking import best_first, none_safe, safe_of


class BestOfN:
    """Ranks safe candidates by reward; without rewards the first safe one wins, never a random one."""

    ranks = True
    rewarded: Rewarded = "needed"
    gathers: Gathers = "together"
    asks_for = NOTHING

    def choose(self, candidates: Sequence[Candidate], returned: int, knobs: Knobs = PLAIN) -> Choice:
        """The best distinct safe candidates; a text said twice comes again only when there are no others."""
        safe = safe_of(candidates)
        if not safe:
            return none_safe(candidates)
        worth = worths(candidates, knobs)
        ranked = best_first(safe, candidates, worth.__getitem__)
        return Choice(tuple(ranked[:returned]), _why(candidates, safe, worth[ranked[0]], knobs))


def _why(candidates: Sequence[Candidate], safe: Sequence[int], worth: float, knobs: Knobs) -> str:
    if worth == UNRANKED:
        return f"The first safe candidate of {len(candidates)}: there were no rewards to rank them by."
    among = f"of {len(safe)} safe candidates among {len(candidates)}"
    if dialled(knobs, candidates):
        return f"The highest mixture of rewards by the dial, {worth:.4g}, {among}."
    return f"The highest reward, {worth:.4g}, {among}."
