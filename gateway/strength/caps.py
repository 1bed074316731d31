"""What an alias' strength curve leaves of the strength that was asked for. Pure."""

from dataclasses import replace

from gateway.strategies.contract import Knobs
from gateway.strength.curve import Curve

# Whose strength is n; the others are chosen by the policy model itself, or are careful by their own rule.
BY_N = frozenset({"best_of_n", "adaptive", "speculative_rejection", "blockwise"})


def most_n(curve: Curve | None, strategy: str) -> int | None:
    """The most candidates among which the best may be taken; None where there is no cap."""
    if curve is None or strategy not in BY_N or curve.n is None:
        return None
    return int(curve.n.value)


def capped(curve: Curve | None, strategy: str, knobs: Knobs) -> tuple[Knobs, tuple[str, ...]]:
    """The knobs within their caps, and what was changed."""
    if curve is None:
        return knobs, ()
    if strategy == "best_of_poisson" and curve.mu is not None and knobs.mu > curve.mu.value:
        told = f"mu capped from {knobs.mu:.4g} to {curve.mu.value:.4g}"
        return replace(knobs, mu=curve.mu.value), (told,)
    floor = curve.temperature
    if strategy == "soft_best_of_n" and floor is not None and knobs.temperature < floor.value:
        told = f"temperature raised from {knobs.temperature:.4g} to {floor.value:.4g}"
        return replace(knobs, temperature=floor.value), (told,)
    return knobs, ()
