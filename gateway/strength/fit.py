"""A strength curve from answers that were scored twice."""

from collections.abc import Sequence

import numpy as np

from gateway.strength import hedge
from gateway.strength.answers import AnswersInvalid, Ranked
from gateway.strength.curve import Cap, Curve, Source
from gateway.strength.hedge import Peak
from gateway.strength.law import law_of, points_of

METHOD = (
    "HedgeTune (arXiv 2506.19248): bisection for the strength at which the trusted reward's slope turns, n and mu up "
    "to the answers of a prompt, temperature at that n; 95 % intervals by {resamples} bootstraps over prompts"
)
# 1/λ in units of the proxy's standard deviation within prompts, between which λ is looked for.
SOFTEST, HARDEST = 0.01, 30.0


def fitted_curve(prompts: Sequence[Ranked], source: Source, alias: str) -> Curve:
    """The caps, the law and the points; raises AnswersInvalid where the proxy tells no answers apart."""
    largest = min(len(each.proxy) for each in prompts)
    spread = float(np.mean([each.proxy.std() for each in prompts]))
    if spread <= 0.0:
        raise AnswersInvalid("proxy: every answer has the same reward: there is nothing to select by")
    soft = hedge.peak(hedge.soft_best_of_n(prompts, largest), SOFTEST / spread, HARDEST / spread)
    return Curve(
        alias=alias,
        method=METHOD.format(resamples=hedge.RESAMPLES),
        source=source,
        largest_n=largest,
        n=cap_of(hedge.peak(hedge.best_of_n(prompts), 1.0, float(largest))),
        mu=cap_of(hedge.peak(hedge.best_of_poisson(prompts), 0.01, float(largest - 1))),
        temperature=inverted(cap_of(soft)),
        law=law_of(prompts, largest),
        points=points_of(prompts, largest),
    )


def cap_of(found: Peak) -> Cap | None:
    """The cap at a peak; none where there is no peak."""
    if found.value is None:
        return None
    return Cap(value=found.value, low=min(found.low, found.value), high=max(found.high, found.value))


def inverted(cap: Cap | None) -> Cap | None:
    """A cap on 1/λ as one on λ."""
    return None if cap is None else Cap(value=1 / cap.value, low=1 / cap.high, high=1 / cap.low)
