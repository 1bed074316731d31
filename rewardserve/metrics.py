"""Every metric of the reward server, named once, on a registry of its own."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rewardserve.batcher import Served

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TOKENS = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536)
# Raw logits: large models reach ±30, and more is a warning in itself.
REWARDS = (-30, -20, -15, -10, -7.5, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30)


class Metrics:
    """The server's counters, gauges and histograms; one instance per app."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "trimtab_reward_requests",
            "Scoring requests by outcome: ok, refused, overloaded, late, failed, closed, left.",
            ("outcome",),
            registry=self.registry,
        )
        self._queue = self._gauge("queue_items", "Candidates that wait for the model.")
        self._healthy = self._gauge("healthy", "1 while scoring is possible, else 0.")
        self._wait = self._histogram(
            "queue_wait_seconds", "From arrival to the model, per candidate.", SECONDS
        )
        self._items = self._histogram("batch_items", "Candidates per batch.", ITEMS)
        self._tokens = self._histogram(
            "batch_padded_tokens", "Tokens that the model read, padding included, per batch.", TOKENS
        )
        self._forward = self._histogram("forward_seconds", "The model's time per batch.", SECONDS)
        self._read = self._counter(
            "tokens",
            "Tokens of scored candidates: read by the model, padding beside them, saved by sharing.",
            ("kind",),
        )
        self._late = self._counter("late_candidates", "Candidates dropped for their deadline.", ())
        self.reloads = self._counter("reloads", "Models that were to be loaded: ok, refused.", ("outcome",))
        self._rewards = self._histogram("rewards", "Raw rewards given, uncalibrated.", REWARDS)

    def watch(self, depth: Callable[[], int], healthy: Callable[[], bool]) -> None:
        """Read queue and health whenever Prometheus asks."""
        self._queue.set_function(depth)
        self._healthy.set_function(lambda: float(healthy()))

    def batch(self, served: Served) -> None:
        """Account for one batch."""
        self._items.observe(served.items)
        self._tokens.observe(served.spent.padded)
        self._read.labels("read").inc(served.spent.read)
        self._read.labels("padding").inc(max(served.spent.padded - served.spent.read, 0))
        self._read.labels("saved").inc(served.spent.saved)
        self._forward.observe(served.forward_seconds)
        for seconds in served.wait_seconds:
            self._wait.observe(seconds)

    def late(self, candidates: int) -> None:
        """Account for candidates that could not be served before their deadline."""
        self._late.inc(candidates)

    def answered(self, rewards: list[float]) -> None:
        """Account for one answered request."""
        self.requests.labels("ok").inc()
        for reward in rewards:
            self._rewards.observe(reward)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, sentence: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"trimtab_reward_{name}", sentence, labels, registry=self.registry)

    def _gauge(self, name: str, sentence: str) -> Gauge:
        return Gauge(f"trimtab_reward_{name}", sentence, registry=self.registry)

    def _histogram(self, name: str, sentence: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"trimtab_reward_{name}", sentence, buckets=buckets, registry=self.registry)
