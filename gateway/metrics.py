"""Every metric of the gateway, named once, on a registry of its own: dashboards and alerts name only these.

Labels come from closed sets (routes, outcomes, hazards, guards, versions); never from what a client sends.
"""

from importlib.metadata import version as installed_version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    Summary,
    generate_latest,
)

# Seconds. Our own work takes fractions of a millisecond, an engine's answer may take minutes.
MILLISECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
STAGE_BUCKETS = (*MILLISECONDS, 1, 2.5, 5, 10, 30, 60, 120)
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The gateway's counters, gauges and histograms; one instance per process, made with its tools."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(namespace="trimtab", registry=self.registry)
        self._traffic()
        self._screening()
        self._rewards()
        self._versions()
        self._ledger()

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _traffic(self) -> None:
        self.requests = self._counter(
            "requests", "Requests by route, outcome and strategy.", "route", "outcome", "strategy"
        )
        self.request_seconds = self._histogram(
            "request_seconds", "Whole time of a request, streams until their end.", REQUEST_BUCKETS, "route"
        )
        self.first_byte_seconds = self._histogram(
            "first_byte_seconds", "Time until a stream's first text was released.", REQUEST_BUCKETS
        )
        self.stage_seconds = self._histogram(
            "stage_seconds",
            "Time per stage: screen_prompt, engine, screen_candidates, reward, record; overhead: all ours.",
            STAGE_BUCKETS,
            "stage",
        )
        self.client_left = self._counter("client_left", "Requests whose client went away before the end.")
        self.degraded = self._counter("degraded", "Answers given without a part that failed.", "reason")
        self.concurrent = self._gauge("concurrent_requests", "Requests being answered now.")
        self.build_info = Info("trimtab_build", "The running version of Trimtab.", registry=self.registry)
        self.build_info.info({"version": installed_version("trimtab")})

    def _screening(self) -> None:
        self.flagged = self._counter(
            "flagged",
            "Findings by hazard, action and where: prompt or reply.",
            "hazard",
            "action",
            "where",
        )
        self.guard_failures = self._counter("guard_failures", "Times a guard could not decide.", "guard")

    def _rewards(self) -> None:
        self.candidates = self._counter("candidates", "Candidates sampled, by version.", "version")
        self.reward_sampled = self._summary("reward_sampled", "Rewards of all safe candidates, by n.", "n")
        self.reward_chosen = self._summary("reward_chosen", "Rewards of the chosen candidates, by n.", "n")

    def _versions(self) -> None:
        self.tokens = self._counter(
            "tokens", "Tokens by version and kind: prompt or completion.", "version", "kind"
        )
        self.in_flight = self._gauge("in_flight", "Requests in flight on a version.", "version")
        self.version_weight = self._gauge(
            "version_weight", "Share of an alias' conversations on a version, 0 to 1.", "alias", "version"
        )
        self.swaps = self._counter("swaps", "Changes of the routes, by outcome: done or failed.", "outcome")
        self.engine_up = self._gauge("engine_up", "Whether an engine answers its health check.", "engine")

    def _ledger(self) -> None:
        self.ledger_records = self._counter(
            "ledger_records", "Exchanges recorded, by kind: flagged or sampled.", "kind"
        )
        self.ledger_dropped = self._counter(
            "ledger_dropped", "Unflagged exchanges that could not be kept; flagged ones are never dropped."
        )
        self.ledger_failures = self._counter(
            "ledger_failures", "Times the ledger could not do as asked, by what: journal or database.", "what"
        )
        self.ledger_pending = self._gauge(
            "ledger_pending", "Exchanges that are in the journal and not yet in the database."
        )
        self.ledger_journal_bytes = self._gauge("ledger_journal_bytes", "Size of the journal on disk.")

    def _counter(self, name: str, sentence: str, *labels: str) -> Counter:
        return Counter(f"trimtab_{name}", sentence, labels, registry=self.registry)

    def _gauge(self, name: str, sentence: str, *labels: str) -> Gauge:
        return Gauge(f"trimtab_{name}", sentence, labels, registry=self.registry)

    def _summary(self, name: str, sentence: str, *labels: str) -> Summary:
        return Summary(f"trimtab_{name}", sentence, labels, registry=self.registry)

    def _histogram(self, name: str, sentence: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"trimtab_{name}", sentence, labels, buckets=buckets, registry=self.registry)
