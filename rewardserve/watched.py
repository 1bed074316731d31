"""Metrics of scorers that know more than a number: disagreement, failing members, and drift of the probes."""

import math
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from rewardserve.ensemble import Ensemble
from rewardserve.probe import Drift
from rewardserve.reward import Reward
from rewardserve.scorer import Measured, Scorer

DEVIATIONS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5)


class Watched:
    """What is to be seen on a registry of the scorer that is served now."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._spread = Histogram(
            "trimtab_reward_disagreement",
            "How far the members of an ensemble disagree on a candidate, in the unit of the reward.",
            buckets=DEVIATIONS,
            registry=registry,
        )
        self._drift = Gauge(
            "trimtab_reward_probe_deviation",
            "Largest deviation of a probe from its recording, in its standard deviations; NaN before the first.",
            registry=registry,
        )
        self._drift.set(math.nan)
        self._ensemble: Ensemble | None = None
        registry.register(MemberFailures(lambda: self._ensemble))

    def watch(self, scorer: Scorer[Measured]) -> None:
        """From now on it is this one."""
        self._ensemble = ensemble_in(scorer)
        self._drift.set(math.nan)

    def rewarded(self, rewards: Iterable[float]) -> None:
        """Account for rewards that were given."""
        for reward in rewards:
            if isinstance(reward, Reward) and "members" in reward.heads:
                self._spread.observe(reward.spread)

    def probed(self, found: Drift) -> None:
        """Account for one round of the probes."""
        self._drift.set(found.largest)


class MemberFailures(Collector):
    """Batches in which a member gave no rewards; labels are the members of the document."""

    def __init__(self, served: Callable[[], Ensemble | None]) -> None:
        self._served = served

    def collect(self) -> Iterator[Metric]:
        """Read whenever Prometheus asks."""
        family = CounterMetricFamily(
            "trimtab_reward_member_failures",
            "Batches that a member of the ensemble failed.",
            labels=["member"],
        )
        if (ensemble := self._served()) is not None:
            for member in ensemble.document.members:
                family.add_metric([member.name], ensemble.failures[member.name])
        yield family


def ensemble_in(scorer: object) -> Ensemble | None:
    """The ensemble that a scorer is, or stands before."""
    while not isinstance(scorer, Ensemble):
        scorer = getattr(scorer, "inner", None)
        if scorer is None:
            return None
    return scorer
