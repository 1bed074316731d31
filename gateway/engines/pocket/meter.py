"""What the engine counts, under the names that vLLM gives the same things: one dashboard reads both."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.engines.pocket.decode import Outcome
from gateway.engines.pocket.inflight import InFlight
from gateway.engines.pocket.job import Job

ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BY_MODEL = ("model_name",)


class Meter:
    """Counters of one engine, in a registry of their own."""

    def __init__(self, model: str) -> None:
        self._registry = CollectorRegistry()
        self._model = model
        self._running = self._gauge("vllm:num_requests_running", "Requests with choices in the batch.")
        self._waiting = self._gauge("vllm:num_requests_waiting", "Requests that wait for room in the batch.")
        self._usage = self._gauge("vllm:kv_cache_usage_perc", "Part of the token budget in use, 0 to 1.")
        self._prompt = self._counter("vllm:prompt_tokens", "Prompt tokens of requests accepted.")
        self._generated = self._counter("vllm:generation_tokens", "Tokens drawn.")
        self._queued = self._histogram(
            "vllm:request_queue_time_seconds", "From asking to joining the batch.", SECONDS
        )
        self._first = self._histogram(
            "vllm:time_to_first_token_seconds", "From asking to the first token.", SECONDS
        )
        self._between = self._histogram(
            "vllm:inter_token_latency_seconds", "From one token to the next.", SECONDS
        )
        self._batch = self._histogram("trimtab_engine_batch_rows", "Rows of each forward pass.", ROWS)
        self._finished = Counter(
            "vllm:request_success",
            "Choices that came to an end, by why.",
            [*BY_MODEL, "finished_reason"],
            registry=self._registry,
        )

    def asked(self, job: Job) -> None:
        self._prompt.inc(len(job.prompt))

    def heard(self, since: float, *, first: bool) -> float:
        """A caller heard something new after waiting `since` a monotonic time; gives the time to wait from next."""
        now = time.monotonic()
        (self._first if first else self._between).observe(now - since)
        return now

    def stepped(self, outcome: Outcome, flight: InFlight) -> None:
        """One step, and who waits and runs after it."""
        for rows in outcome.batches:
            self._batch.observe(rows)
        for job in outcome.joined:
            self._queued.observe(time.monotonic() - job.since)
        self._generated.inc(sum(map(len, outcome.deltas.values())))
        for reason in (delta.finish_reason for deltas in outcome.deltas.values() for delta in deltas):
            if reason:
                self.ended(reason, 1)
        self._waiting.set(len(flight.waiting))
        self._running.set(len(flight.running))
        self._usage.set(flight.usage)

    def ended(self, reason: str, choices: int) -> None:
        """Choices that came to an end otherwise than by the model's own doing: `error`, or `abort` by the caller."""
        self._finished.labels(self._model, reason).inc(choices)

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(name, what, BY_MODEL, registry=self._registry).labels(self._model)

    def _counter(self, name: str, what: str) -> Counter:
        return Counter(name, what, BY_MODEL, registry=self._registry).labels(self._model)

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, what, BY_MODEL, buckets=buckets, registry=self._registry).labels(self._model)
