"""What strategies that rank have in common: who may win, in which order, and that no text wins twice in a row."""

from collections.abc import Callable, Sequence

from gateway.exchange import Candidate
from gateway.strategies.contract import Choice


def safe_of(candidates: Sequence[Candidate]) -> list[int]:
    """The positions of those that may be delivered."""
    return [position for position, candidate in enumerate(candidates) if candidate.safe]


def none_safe(candidates: Sequence[Candidate]) -> Choice:
    """The choice where nothing may be delivered."""
    return Choice((), f"All {len(candidates)} candidates were withheld by the guard policy.")


def best_first(
    positions: Sequence[int], candidates: Sequence[Candidate], worth: Callable[[int], float]
) -> list[int]:
    """By falling worth, ties in the given order; a text said twice comes again only after all others."""
    ranked = sorted(positions, key=lambda position: -worth(position))  # stable: ties go to the first
    return distinct_first(ranked, lambda position: repr(candidates[position].message))


def distinct_first(ranked: Sequence[int], same: Callable[[int], object]) -> list[int]:
    """The first of each kind in their order, then the others in theirs."""
    first_with: dict[object, int] = {}
    for position in ranked:
        first_with.setdefault(same(position), position)
    distinct = list(first_with.values())
    first = set(distinct)
    return distinct + [position for position in ranked if position not in first]


def count(number: int, noun: str) -> str:
    """As people say it."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
