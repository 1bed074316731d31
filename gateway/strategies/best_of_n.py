"""The safe candidate with the highest reward, of n sampled together."""

from collections.abc import Sequence

from gateway.exchange import Candidate
from gateway.strategies.contract import Choice


class BestOfN:
    """Ranks safe candidates by reward; without rewards the first safe one wins, never a random one."""

    ranks = True

    def choose(self, candidates: Sequence[Candidate], returned: int) -> Choice:
        """The best distinct safe candidates; a text said twice comes again only when there are no others."""
        safe = [index for index, candidate in enumerate(candidates) if candidate.safe]
        if not safe:
            return Choice((), f"All {len(candidates)} candidates were withheld by the guard policy.")
        ranked = sorted(safe, key=lambda index: -_reward(candidates[index]))  # stable: ties go to the first
        winners = tuple(_distinct_first(ranked, candidates)[:returned])
        return Choice(winners, _why(candidates, safe, winners[0]))


def _reward(candidate: Candidate) -> float:
    return float("-inf") if candidate.reward is None else candidate.reward


def _distinct_first(ranked: Sequence[int], candidates: Sequence[Candidate]) -> list[int]:
    first_with: dict[str, int] = {}
    for index in ranked:
        first_with.setdefault(repr(candidates[index].message), index)
    distinct = list(first_with.values())
    return distinct + [index for index in ranked if index not in distinct]


def _why(candidates: Sequence[Candidate], safe: Sequence[int], winner: int) -> str:
    reward = candidates[winner].reward
    if reward is None:
        return f"The first safe candidate of {len(candidates)}: there were no rewards to rank them by."
    return f"The highest reward, {reward:.4g}, of {len(safe)} safe candidates among {len(candidates)}."
