"""The KL bound of one answered request, by the strategy that chose and the candidates that it had. Pure."""

from gateway.strategies import STRATEGIES
from gateway.strategies.dial import UNRANKED, worths
from gateway.strategies.pessimism import pessimistic
from gateway.strategies.soft_best_of_n import chances
from gateway.strength import kl
from gateway.trip import Trip


def bound_of(trip: Trip) -> float | None:
    """How far the first choice was moved at most, in nats, among what guards let pass; None where nothing was chosen.

    Guards move answers as well, by what they withhold, and revisions by what they rewrite: that is not counted.
    """
    own = STRATEGIES.get(trip.ask.strategy)
    if trip.choice is None or not trip.choice.winners or own is None or trip.refused:
        return None
    if own.gathers == "blocks":
        return round(_of_blocks(trip), 6)
    n = sum(each.safe and each.revision_of is None for each in trip.candidates)
    if not own.ranks or n < 2:
        return 0.0
    return round(_bound(trip, trip.instead or trip.ask.strategy, n), 6)


def _bound(trip: Trip, strategy: str, n: int) -> float:
    knobs = trip.ask.knobs
    worth = [each for each in worths(trip.candidates, knobs) if each > UNRANKED]
    if not worth:
        return 0.0 if own_order(strategy) else kl.any_of(n)
    if strategy == "best_of_poisson":
        return min(kl.best_of_poisson(knobs.mu), kl.any_of(n))
    if strategy == "soft_best_of_n" and knobs.temperature > 0:
        return min(kl.drawn_by(chances(worth, knobs.temperature)), kl.best_of(n))
    if strategy == "pessimism" and knobs.temperature > 0:
        return kl.drawn_by(pessimistic(worth, knobs.temperature))
    together = (
        STRATEGIES[strategy].gathers == "together"
    )  # else how many there are hangs on how good they are
    return kl.best_of(n) if STRATEGIES[strategy].rewarded == "needed" and together else kl.any_of(n)


def _of_blocks(trip: Trip) -> float:
    """One best of K after the other: their bounds add up."""
    return trip.blocks * kl.best_of(trip.ask.samples)


def own_order(strategy: str) -> bool:
    """Whether, without rewards, it takes the first: as if one had been sampled."""
    return STRATEGIES[strategy].rewarded == "needed"
