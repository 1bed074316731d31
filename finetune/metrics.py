"""What a training measures of itself, for Prometheus: scraped from a port, pushed to a gateway, or both.

Nothing here holds a training up: what cannot be pushed is told once, and pushed with the next.
"""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from typing import Annotated
from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry, Gauge, push_to_gateway, start_http_server
from prometheus_client.exposition import basic_auth_handler, default_handler
from pydantic import ConfigDict, Field

from finetune.errors import FinetuneFailed, reason
from finetune.progress import Progress
from gateway.engines.providers import shown
from gateway.settings import Url

JOB = "trimtab_finetune"  # under which a push gateway keeps them
PUSH_SECONDS = 5.0  # that one push may take
FIGURES = {
    "step": "Optimiser steps done.",
    "steps": "Optimiser steps that the training has.",
    "loss": "Loss of the latest steps.",
    "margin": "Mean margin of rewards between chosen and rejected answers.",
    "accuracy": "Share of pairs ranked rightly.",
    "chosen": "Mean log-probability of the chosen answers, in nats.",
    "rejected": "Mean log-probability of the rejected answers, in nats.",
    "displaced": "1 once the chosen answers have lost more than recipe.alarm_nats, else 0.",
    "kl": "KL of the policy from what it is held to, in nats a token.",
    "reward": "Mean reward of sampled answers, of online methods.",
    "rows": "Rows that go through the model at once.",
}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MetricsRules:
    """Where a training's figures go; without a port and an address, nowhere."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    port: Annotated[int, Field(ge=0, le=65535)] | None = None  # that Prometheus scrapes; 0 takes a free one
    host: str = "127.0.0.1"
    push: Url | None = None  # of a push gateway, for jobs that end before anybody scrapes them
    push_every_seconds: Annotated[float, Field(gt=0)] = 15.0


class TrainingMetrics:
    """One gauge a figure, by alias."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._gauges = {
            name: Gauge(f"trimtab_training_{name}", told, ["alias"], registry=self.registry)
            for name, told in FIGURES.items()
        }
        told = "When a training last measured anything, in seconds since 1970."
        self._latest = Gauge("trimtab_training_measured_at", told, ["alias"], registry=self.registry)
        self.fresh = threading.Event()  # whether anything was measured that nobody has been pushed yet

    def set(self, alias: str, figures: Mapping[str, float]) -> None:
        """Take figures in; those of no known name are left out."""
        for name, value in figures.items():
            if name in self._gauges:
                self._gauges[name].labels(alias).set(value)
        self._latest.labels(alias).set_to_current_time()
        self.fresh.set()


@dataclass(frozen=True, slots=True)
class Metered:
    """Passes progress on, and what is measured to Prometheus too."""

    inner: Progress
    metrics: TrainingMetrics
    alias: str

    def began(self, step: str) -> None:
        """Pass it on."""
        self.inner.began(step)

    def ended(self, step: str, told: str, *, again: bool = False) -> None:
        """Pass it on."""
        self.inner.ended(step, told, again=again)

    def advanced(self, done: int, total: int, told: str = "") -> None:
        """Pass it on."""
        self.inner.advanced(done, total, told)

    def measured(self, figures: Mapping[str, float]) -> None:
        """Keep it for whoever scrapes, and for the next push."""
        self.metrics.set(self.alias, figures)
        self.inner.measured(figures)


@contextmanager
def metered(rules: MetricsRules, alias: str, progress: Progress) -> Iterator[Progress]:
    """Progress whose figures Prometheus gets while this is open; raises FinetuneFailed where the port is taken."""
    if rules.port is None and rules.push is None:
        yield progress
        return
    metrics = TrainingMetrics()
    with ExitStack() as stack:
        if rules.port is not None:
            stack.enter_context(scraped(metrics.registry, rules.host, rules.port))
        if rules.push is not None:
            stack.enter_context(pushed(metrics, rules.push, alias, rules.push_every_seconds))
        yield Metered(progress, metrics, alias)


@contextmanager
def scraped(registry: CollectorRegistry, host: str, port: int) -> Iterator[int]:
    """A server of /metrics; the port that it has."""
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise FinetuneFailed(f"finetune.metrics.port: {host} port {port} cannot be had: {error}") from error
    log.info("metrics at http://%s:%d/metrics", host, server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def pushed(metrics: TrainingMetrics, url: str, alias: str, every_seconds: float) -> Iterator[None]:
    """Push what is new every so often, and at the end, from a thread of its own."""
    ended = threading.Event()

    def push() -> None:
        failing = False
        while True:
            last = ended.wait(every_seconds)
            if metrics.fresh.is_set():
                failing = not push_once(metrics, url, alias, told=failing)
            if last:
                return

    thread = threading.Thread(target=push, name="metrics-push", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(2 * PUSH_SECONDS)


def push_once(metrics: TrainingMetrics, url: str, alias: str, *, told: bool) -> bool:
    """Whether a push was taken; one that was not is told unless it was before, and is made up for by the next."""
    metrics.fresh.clear()
    name, password = urlsplit(url).username, urlsplit(url).password
    handler = partial(basic_auth_handler, username=unquote(name or ""), password=unquote(password or ""))
    sent = handler if name else default_handler
    try:
        push_to_gateway(shown(url), JOB, metrics.registry, {"alias": alias}, PUSH_SECONDS, sent)
    except (OSError, ValueError, HTTPException) as error:
        metrics.fresh.set()
        if not told:
            log.warning("finetune.metrics.push: %s takes no metrics: %s", shown(url), reason(error))
        return False
    return True
