"""The metrics of one exchange, counted once when it is over."""

from gateway.exchange import Candidate
from gateway.metrics import Metrics
from gateway.strength.bound import bound_of
from gateway.trip import NOBODY_ANSWERED, Trip
from guards.verdict import Screening, Where


def account(trip: Trip, metrics: Metrics) -> None:
    """Count what an exchange found, cost and took; its outcome is counted where the request was served."""
    for stage, seconds in trip.stages.items():
        metrics.stage_seconds.labels(stage).observe(seconds)
    if not trip.ask.stream:
        metrics.stage_seconds.labels("overhead").observe(trip.overhead_seconds)
    _count_screening(trip.prompt, "prompt", metrics)
    for candidate in trip.all_candidates:
        _count_screening(candidate.screening, "reply", metrics)
    for reason in trip.degraded:
        metrics.degraded.labels(_kind(reason)).inc()
    for change in trip.adjusted:
        metrics.selection_adjusted.labels(_kind(change)).inc()
    if trip.version != NOBODY_ANSWERED:
        _count_version(trip, metrics)
    _count_rewards(trip, metrics)


def _kind(reason: str) -> str:
    """A reason without its figures and consequences: labels are few."""
    return reason.split(";", maxsplit=1)[0].split(" from ", maxsplit=1)[0]


def _count_screening(screening: Screening | None, where: Where, metrics: Metrics) -> None:
    if screening is None:
        return
    for finding in screening.findings:
        metrics.flagged.labels(finding.hazard, finding.action.word, where).inc()
    for failure in screening.failures:
        metrics.guard_failures.labels(failure.guard).inc()


def _count_version(trip: Trip, metrics: Metrics) -> None:
    metrics.candidates.labels(trip.version).inc(len(trip.candidates))
    metrics.tokens.labels(trip.version, "prompt").inc(trip.usage.prompt)
    metrics.tokens.labels(trip.version, "completion").inc(trip.usage.completion)


def _count_rewards(trip: Trip, metrics: Metrics) -> None:
    n = str(trip.ask.samples)
    for candidate in trip.candidates:
        if candidate.reward is not None:
            metrics.reward_sampled.labels(n).observe(candidate.reward)
    if (bound := bound_of(trip)) is not None:
        metrics.selection_kl_bound.labels(trip.ask.strategy).observe(bound)
    best = _best(trip)
    if best is not None and best.reward is not None:
        metrics.reward_chosen.labels(n).observe(best.reward)


def _best(trip: Trip) -> Candidate | None:
    return trip.chosen[0] if trip.chosen else None
