"""Best of n for half the tokens: what begins badly is cut off before it ends.

Every candidate is its own stream. At checkpoints the beginnings are scored and the worse ones are hung up on. It
rests on beginnings telling of endings, so the correlation of the two is measured for every route, on requests on which
nothing is cut, and where it is too small nothing is cut at all.

Source: Sun et al. 2024, Fast Best-of-N Decoding via Speculative Rejection, arXiv 2410.20290.
"""

import math
from collections.abc import Mapping, Sequence

from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.contract import Gathers

LEAST_CORRELATION = 0.4
LEAST_PAIRS = 24  # of a beginning's reward and its end's, before anything is cut


class SpeculativeRejection(BestOfN):
    """Ranks what was left as best of n does; what is left is decided by `survivors`."""

    gathers: Gathers = "rejection"


def survivors(partial: Mapping[int, float], ended: Sequence[int], returned: int, keep: float) -> list[int]:
    """Which candidates go on: the share to keep of all by their partial rewards, never fewer than are returned.

    What has ended stays in the ranking: it costs nothing more. Ties go to the first.
    """
    ranked = sorted(partial, key=lambda index: (-partial[index], index))
    kept = max(returned, 1, math.ceil(keep * len(partial)))
    return sorted({*ranked[:kept], *ended})


def trusted(correlation: float | None, pairs: int) -> bool:
    """Whether beginnings tell enough of endings here for anything to be cut."""
    return correlation is not None and pairs >= LEAST_PAIRS and correlation >= LEAST_CORRELATION


def places(shares: Sequence[float], length: float) -> tuple[int, ...]:
    """Checkpoints in tokens for answers of this length, each at least one token after the one before."""
    found: list[int] = []
    for share in shares:
        found.append(max((found[-1] if found else 0) + 1, round(share * length)))
    return tuple(found)
