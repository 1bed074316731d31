"""How one request was served: what is counted and logged of it, and nothing that it said."""

import logging
import time
from dataclasses import dataclass, field

from gateway.errors import ApiError
from gateway.failures import Violation, upstream_status
from gateway.metrics import Metrics
from gateway.trip import Trip

log = logging.getLogger("trimtab.requests")


@dataclass(slots=True)
class Served:
    """Filled in as the request goes along; counted and logged once, at its end."""

    route: str
    began: float = field(default_factory=time.perf_counter)
    status: int = 0
    key: str | None = None
    trip: Trip | None = None
    error: ApiError | None = None
    left: bool = False

    @property
    def outcome(self) -> str:
        """answered, refused, rejected (a wrong request), error (ours or an engine's) or client_left."""
        if self.left:
            return "client_left"
        if self.error is not None and not isinstance(self.error, Violation):
            return "rejected" if self.error.status < 500 else "error"
        if self.error is not None or (self.trip is not None and self.trip.refused):
            return "refused"
        if self.status < 400:
            return "answered"
        return "rejected" if self.status < 500 else "error"

    def close(self, metrics: Metrics) -> None:
        """Count the request, and log it: failures always, the others for those who want to see them."""
        seconds = time.perf_counter() - self.began
        strategy = self.trip.ask.strategy if self.trip else "none"
        outcome = self.outcome
        metrics.requests.labels(self.route, outcome, strategy).inc()
        metrics.request_seconds.labels(self.route).observe(seconds)
        if self.left:
            metrics.client_left.inc()
        level = logging.WARNING if outcome == "error" else logging.DEBUG
        if log.isEnabledFor(level):
            log.log(level, "request", extra={"fields": self._fields(outcome, seconds)})

    def _fields(self, outcome: str, seconds: float) -> dict[str, object]:
        fields: dict[str, object] = {
            "route": self.route,
            "outcome": outcome,
            "status": self.status,
            "key": self.key,
            "milliseconds": round(seconds * 1000, 2),
        }
        if self.error is not None:
            fields["error"] = self.error.code or self.error.type
            fields["upstream_status"] = upstream_status(self.error)
        if self.trip is not None:
            fields |= {
                "exchange": self.trip.ask.id,
                "version": self.trip.version,
                "strategy": self.trip.ask.strategy,
                "overhead_milliseconds": round(self.trip.overhead_seconds * 1000, 2),
            }
        return fields
