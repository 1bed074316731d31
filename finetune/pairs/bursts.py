"""Floods: what one owner brings within a day, held against what is usual. Pure.

Attackers flood in a burst, and shares of the whole are slow to notice. What is cut is chosen by content hash, and is
let in by a later retraining where it turns out that the owner always brings so much.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence

from finetune.pairs.balancing import by_chance
from finetune.pairs.pair import Pair

HABIT_DAYS = 3  # other days on which an owner brought pairs, before these say what is usual for it


def cap_bursts(
    pairs: list[Pair], owner_of: Callable[[Pair], str | None], burst: float, floor: int
) -> list[Pair]:
    """Of one owner's pairs of one day at most `burst` times what is usual, or the floor.

    Usual is the median of what owners bring in a day, this owner's day left out, or of the owner's own other days
    where that is more. Where there is no other owner and no other day nothing is known, and nothing cut; nor are pairs
    that name no owner or no day.
    """
    days: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        if (owner := owner_of(pair)) and pair.provenance.day:
            days[owner, pair.provenance.day].append(pair)
    if burst <= 0 or len(days) < 2:
        return pairs
    own: dict[str, list[int]] = defaultdict(list)
    for (owner, _), held in days.items():
        own[owner].append(len(held))
    everyone, own = sorted(map(len, days.values())), {owner: sorted(sizes) for owner, sizes in own.items()}
    gone = set()
    for (owner, _), held in days.items():
        room = max(floor, int(burst * usual(everyone, own[owner], len(held))))
        gone |= {id(pair) for pair in by_chance(held)[room:]}
    return [pair for pair in pairs if id(pair) not in gone]


def usual(everyone: Sequence[int], own: Sequence[int], size: int) -> int:
    """What is usual in a day, by all days and by the owner's own, both ascending and with this one of `size`."""
    habit = median_without(own, size) if len(own) > HABIT_DAYS else 0
    return max(habit, median_without(everyone, size))


def median_without(sizes: Sequence[int], size: int) -> int:
    """The lower median of ascending numbers, one of this size left out."""
    middle, place = (len(sizes) - 2) // 2, bisect_left(sizes, size)
    return sizes[middle if middle < place else middle + 1]
