"""What a candidate is worth: its plain reward, or what a request's dial makes of its reward heads.

    worth = Σ_h w_h · z_h        z_h = (reward of head h − mean) / standard deviation

The mean and the standard deviation are the route's frozen references, or else those of the request's own safe
candidates: then a head in which they all agree says nothing. Two heads need no reward model that has heads: `reward`,
the plain reward, and `brevity`, which is −ln(1 + words).
"""

import math
from collections.abc import Mapping, Sequence

from gateway.exchange import Candidate
from gateway.strategies.contract import Knobs, Reference

PLAIN, BREVITY = "reward", "brevity"
OWN_HEADS = (PLAIN, BREVITY)  # that every candidate with a reward has
UNRANKED = -math.inf


def worths(candidates: Sequence[Candidate], knobs: Knobs) -> list[float]:
    """What each candidate is ranked by; −inf for those that may not be delivered or were not scored."""
    if knobs.dial and not missing(candidates, knobs.dial):
        return _mixed(candidates, knobs)
    return [UNRANKED if each.reward is None or not each.safe else each.reward for each in candidates]


def missing(candidates: Sequence[Candidate], dial: Mapping[str, float]) -> list[str]:
    """The heads that a dial weighs and that not every safe candidate was scored by."""
    safe = [heads_of(candidate) for candidate in candidates if candidate.safe]
    return [head for head, weight in dial.items() if weight and any(head not in heads for heads in safe)]


def heads_of(candidate: Candidate) -> dict[str, float]:
    """A candidate's reward by head: the reward model's, and our own where that has none of the name."""
    if candidate.reward is None:
        return dict(candidate.heads)
    words = len(candidate.text.split())
    return {PLAIN: candidate.reward, BREVITY: -math.log1p(words), **candidate.heads}


def spread_of(values: Sequence[float]) -> Reference:
    """Mean and standard deviation of some rewards."""
    mean = math.fsum(values) / len(values)
    return Reference(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values)))


def z_score(value: float, reference: Reference) -> float:
    """How many standard deviations above the mean; 0 where nothing is spread."""
    return (value - reference.mean) / reference.sd if reference.sd > 0 else 0.0


def _mixed(candidates: Sequence[Candidate], knobs: Knobs) -> list[float]:
    heads = {position: heads_of(each) for position, each in enumerate(candidates) if each.safe}
    weights = {head: weight for head, weight in knobs.dial.items() if weight}
    found = [UNRANKED] * len(candidates)
    spread = {
        head: knobs.references.get(head) or spread_of([own[head] for own in heads.values()])
        for head in weights
        if heads
    }
    for position, own in heads.items():
        found[position] = math.fsum(
            weight * z_score(own[head], spread[head]) for head, weight in weights.items()
        )
    return found


def dialled(knobs: Knobs, candidates: Sequence[Candidate]) -> bool:
    """Whether a dial decides, and not the plain reward."""
    return bool(knobs.dial) and not missing(candidates, knobs.dial)
