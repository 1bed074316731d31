"""What the engine counts, under the names that vLLM gives the same things: one dashboard reads both."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.engines.pocket.decode import Outcome
from gateway.engines.pocket.job import Job

ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Meter:
    """Counters of one engine, in a registry of their own."""

    def __init__(self, model: str) -> None:
        self._registry = CollectorRegistry()
        self._running = self._gauge("vllm:num_requests_running", "Requests with choices in the batch.", model)
        self._waiting = self._gauge(
            "vllm:num_requests_waiting", "Requests that wait for room in the batch.", model
        )
        self._prompt = self._counter("vllm:prompt_tokens", "Prompt tokens of requests accepted.", model)
        self._generated = self._counter("vllm:generation_tokens", "Tokens drawn.", model)
        self._finished = Counter(
            "vllm:request_success",
            "Choices that came to an end, by why.",
            ["model_name", "finished_reason"],
            registry=self._registry,
        )
        self._batch = Histogram(
            "trimtab_engine_batch_rows",
            "Rows of each forward pass.",
            ["model_name"],
            buckets=ROWS,
            registry=self._registry,
        ).labels(model)
        self._model = model

    def asked(self, job: Job) -> None:
        self._prompt.inc(len(job.prompt))

    def stepped(self, outcome: Outcome, waiting: int, running: int) -> None:
        """One step of the decoder, and who waits and runs after it."""
        for rows in outcome.batches:
            self._batch.observe(rows)
        self._generated.inc(sum(map(len, outcome.deltas.values())))
        for reason in (delta.finish_reason for deltas in outcome.deltas.values() for delta in deltas):
            if reason:
                self.ended(reason, 1)
        self._waiting.set(waiting)
        self._running.set(running)

    def ended(self, reason: str, choices: int) -> None:
        """Choices that came to an end otherwise than by the model's own doing: `error`, or `abort` by the caller."""
        self._finished.labels(self._model, reason).inc(choices)

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, what: str, model: str) -> Gauge:
        return Gauge(name, what, ["model_name"], registry=self._registry).labels(model)

    def _counter(self, name: str, what: str, model: str) -> Counter:
        return Counter(name, what, ["model_name"], registry=self._registry).labels(model)
