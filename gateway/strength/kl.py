"""How far selection moves from the policy model, at most: bounds on KL(selected ‖ policy), in nats. Pure.

Sources: Beirami et al., ICML 2025 (arXiv 2401.01879) for best-of-n; arXiv 2506.19248 for best-of-Poisson, whose
selected quantile u has the density (1 + μu)·exp(μ(u − 1)).
"""

import math
from collections.abc import Sequence
from functools import lru_cache

STEPS = 1000  # of Simpson's rule: the error is below 1e-5 for any μ up to 255
FURTHEST = 60.0  # e⁻⁶⁰ of the mass lies beyond


def best_of(n: float) -> float:
    """Of the best among n: ln n − (n − 1)/n; n at least 1, and not only whole."""
    return math.log(n) - (n - 1.0) / n


def any_of(n: int) -> float:
    """Of any choice among n whatever it goes by: no answer becomes more than n times as likely."""
    return math.log(n)


def drawn_by(chances: Sequence[float]) -> float:
    """Of a draw with these chances, in the mean over samples: Σ p·ln(n·p), by the data processing inequality."""
    return max(0.0, math.fsum(p * math.log(len(chances) * p) for p in chances if p > 0.0))


@lru_cache(maxsize=1024)
def best_of_poisson(mu: float) -> float:
    """Of the best among 1 + Poisson(μ); numerically, over t = μ(1 − u)."""
    if mu <= 0.0:
        return 0.0

    def term(t: float) -> float:
        height = max(1.0, 1.0 + mu - t)
        return height / mu * math.exp(-t) * (math.log(height) - t)

    width = min(mu, FURTHEST) / STEPS
    inner = math.fsum((4 if step % 2 else 2) * term(step * width) for step in range(1, STEPS))
    return max(0.0, (term(0.0) + inner + term(STEPS * width)) * width / 3.0)


def n_of_kl(kl: float) -> float:
    """The n, not only whole, whose best-of-n bound is this."""
    low, high = 1.0, 2.0
    while best_of(high) < kl:
        low, high = high, 2.0 * high
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if best_of(middle) < kl else (low, middle)
    return (low + high) / 2.0
