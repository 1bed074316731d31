"""Every metric of the gateway, named once, on a registry of its own: dashboards and alerts name only these.

Labels come from closed sets (routes, outcomes, hazards, guards, versions); never from what a client sends.
"""

import os
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Generic, Literal, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    Summary,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

Together = Literal["livesum", "livemax", "livemin"]  # what several workers' gauges come to

# Seconds. Our own work takes fractions of a millisecond, an engine's answer may take minutes.
MILLISECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
STAGE_BUCKETS = (*MILLISECONDS, 1, 2.5, 5, 10, 30, 60, 120)
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
KL_BUCKETS = (0.01, 0.1, 0.2, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5)  # nats; best of 8 is 1.2, of 64 3.2


Metric = TypeVar("Metric", Counter, Gauge, Summary, Histogram)


class Labelled(Generic[Metric]):
    """A metric whose children are looked up once: to find one by its labels costs more than to count in it."""

    __slots__ = ("_known", "_metric")

    def __init__(self, metric: Metric) -> None:
        self._metric: Metric = metric
        self._known: dict[tuple[str, ...], Metric] = {}

    def labels(self, *values: str) -> Metric:
        """The child with these values, which come from closed sets."""
        child = self._known.get(values)
        if child is None:
            child = self._known[values] = self._metric.labels(*values)
        return child


class Metrics:
    """The gateway's counters, gauges and histograms; one instance per process, made with its tools.

    Workers of one gateway share a folder, and each tells the sum of all; of the process itself only one that is alone.
    """

    def __init__(self, shared: Path | None = None) -> None:
        self.registry = CollectorRegistry()
        self._shared = shared
        if shared is None:
            ProcessCollector(namespace="trimtab", registry=self.registry)
        else:
            forget_the_dead(shared)
        self._traffic()
        self._limits()
        self._screening()
        self._rewards()
        self._selection()
        self._versions()
        self._engines()
        self._ledger()

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        if self._shared is None:
            return generate_latest(self.registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone, str(self._shared))  # type: ignore[no-untyped-call]
        return generate_latest(everyone)

    def forget_weights(self) -> None:
        """No version has a share of anything, until it is told again."""
        if self._shared is None:
            self.version_weight.clear()
        else:  # what workers share has no way to forget a label
            for family in self.version_weight.collect():
                for sample in family.samples:
                    self.version_weight.labels(**sample.labels).set(0)

    def _traffic(self) -> None:
        self.requests = Labelled(
            self._counter(
                "requests", "Requests by route, outcome and strategy.", "route", "outcome", "strategy"
            )
        )
        self.request_seconds = Labelled(
            self._histogram(
                "request_seconds",
                "Whole time of a request, streams until their end.",
                REQUEST_BUCKETS,
                "route",
            )
        )
        self.first_byte_seconds = self._histogram(
            "first_byte_seconds", "Time until a stream's first text was released.", REQUEST_BUCKETS
        )
        self.stage_seconds = Labelled(
            self._histogram(
                "stage_seconds",
                "Time per stage: queue, screen_prompt, engine, screen_candidates, reward, record; overhead: all ours.",
                STAGE_BUCKETS,
                "stage",
            )
        )
        self.client_left = self._counter("client_left", "Requests whose client went away before the end.")
        self.degraded = Labelled(
            self._counter("degraded", "Answers given without a part that failed.", "reason")
        )
        self.concurrent = self._gauge("concurrent_requests", "Requests being answered now.")
        self.queued = self._gauge("queued_requests", "Requests waiting for their turn now.")
        self.shed = self._counter(
            "shed",
            "Work not done under load, by what: n (candidates lowered), or requests refused: full, waited, stopping.",
            "what",
        )
        self.build_info = self._gauge(
            "build_info", "The running version of Trimtab.", "version", of="livemax"
        )
        self.build_info.labels(installed_version("trimtab")).set(1)

    def _limits(self) -> None:
        self.limited = self._counter(
            "limited",
            "Requests that a key had no room for: requests, tokens, concurrency or budget.",
            "limit",
        )
        self.limits_shared = self._gauge(
            "limits_shared", "1 while rates are counted in Redis with other gateways, else 0.", of="livemin"
        )
        self.limits_failures = self._counter(
            "limits_failures",
            "Times that limits could not be kept where they should: redis or database.",
            "what",
        )
        for what in ("redis", "database"):  # told from the start: a rate needs a zero to rise from
            self.limits_failures.labels(what)

    def _screening(self) -> None:
        self.flagged = Labelled(
            self._counter(
                "flagged",
                "Findings by hazard, action and where: prompt or reply.",
                "hazard",
                "action",
                "where",
            )
        )
        self.guard_failures = Labelled(
            self._counter("guard_failures", "Times a guard could not decide.", "guard")
        )
        self.shadow = Labelled(
            self._counter(
                "shadow",
                "Texts judged by a shadow policy too: on which side, what was done, what it would have done.",
                "where",
                "action",
                "would",
            )
        )

        self.outcomes = Labelled(
            self._counter("rollout_outcomes", "Outcomes of requests of an alias's rollout.", "arm", "kept")
        )

    def _rewards(self) -> None:
        self.candidates = Labelled(self._counter("candidates", "Candidates sampled, by version.", "version"))
        self.selection_adjusted = Labelled(
            self._counter(
                "selection_adjusted",
                "Requests whose strength was changed, by what: n, mu or temperature within its cap; n raised for risk.",
                "what",
            )
        )
        self.selection_kl_bound = Labelled(
            self._histogram(
                "selection_kl_bound",
                "How far selection moved from the policy model at most, in nats of KL divergence.",
                KL_BUCKETS,
                "strategy",
            )
        )
        self.reward_sampled = Labelled(
            self._summary("reward_sampled", "Rewards of all safe candidates, by n.", "n")
        )
        self.reward_chosen = Labelled(
            self._summary("reward_chosen", "Rewards of the chosen candidates, by n.", "n")
        )

    def _selection(self) -> None:
        self.samples = Labelled(
            self._histogram(
                "samples",
                "Candidates sampled for one answer.",
                (1, 2, 4, 6, 8, 12, 16, 24, 32, 64),
                "strategy",
            )
        )
        self.sampled_tokens = self._counter(
            "sampled_tokens", "Tokens of all candidates, cut ones too.", "strategy"
        )
        self.rejected = self._counter("rejected_early", "Candidates cut off before their end.", "alias")
        self.partial_correlation = self._gauge(
            "partial_correlation",
            "How well rewards of beginnings tell of those of the ends, by checkpoint; below 0.4 nothing is cut.",
            "alias",
            "checkpoint",
            of="livemax",
        )

    def _versions(self) -> None:
        self.tokens = Labelled(
            self._counter("tokens", "Tokens by version and kind: prompt or completion.", "version", "kind")
        )
        self.in_flight = Labelled(self._gauge("in_flight", "Requests in flight on a version.", "version"))
        self.version_weight = self._gauge(
            "version_weight",
            "Share of an alias' conversations on a version, 0 to 1.",
            "alias",
            "version",
            of="livemax",
        )
        self.swaps = self._counter("swaps", "Changes of the routes, by outcome: done or failed.", "outcome")

    def _engines(self) -> None:
        self.engine_up = self._gauge(
            "engine_up", "Whether an engine answers its health check.", "engine", of="livemin"
        )
        self.engine_breaker = self._gauge(
            "engine_breaker",
            "An engine's circuit breaker: 0 closed, 1 half-open, 2 open.",
            "engine",
            of="livemax",
        )
        self.engine_outstanding_tokens = self._gauge(
            "engine_outstanding_tokens",
            "Estimated tokens that an engine owed when last looked at, every 2 s; 0 where there is but one.",
            "engine",
        )
        self.engine_retries = self._counter(
            "engine_retries", "Times another engine was asked because this one failed.", "engine"
        )

    def _ledger(self) -> None:
        self.ledger_records = self._counter(
            "ledger_records", "Exchanges recorded, by kind: flagged or sampled.", "kind"
        )
        self.ledger_dropped = self._counter(
            "ledger_dropped", "Unflagged exchanges that could not be kept; flagged ones are never dropped."
        )
        self.ledger_dead_letters = self._counter(
            "ledger_dead_letters", "Exchanges that the tables refused: kept whole, and not among the others."
        )
        self.ledger_failures = self._counter(
            "ledger_failures",
            "Records that the journal refused, and tries to store that failed, by what: journal or database.",
            "what",
        )
        self.ledger_pending = self._gauge(
            "ledger_pending", "Exchanges that wait for the database, in the journal or in memory."
        )
        self.ledger_journal_bytes = self._gauge("ledger_journal_bytes", "Size of the journal on disk.")
        self.ledger_journal_limit_bytes = self._gauge(
            "ledger_journal_limit_bytes", "Size at which the journal refuses what is flagged."
        )

    def _counter(self, name: str, sentence: str, *labels: str) -> Counter:
        return Counter(f"trimtab_{name}", sentence, labels, registry=self.registry)

    def _gauge(self, name: str, sentence: str, *labels: str, of: Together = "livesum") -> Gauge:
        return Gauge(f"trimtab_{name}", sentence, labels, registry=self.registry, multiprocess_mode=of)

    def _summary(self, name: str, sentence: str, *labels: str) -> Summary:
        return Summary(f"trimtab_{name}", sentence, labels, registry=self.registry)

    def _histogram(self, name: str, sentence: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"trimtab_{name}", sentence, labels, buckets=buckets, registry=self.registry)


def forget_the_dead(shared: Path) -> None:
    """Drop what workers that are gone said of their present; what they counted stays counted."""
    for file in shared.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(shared))  # type: ignore[no-untyped-call]
