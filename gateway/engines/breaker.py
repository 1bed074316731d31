"""When to leave a replica alone: a circuit breaker, fed with what becomes of calls. Pure: time is told to it.

closed ── k failures to serve, one after another ──▶ open ── a pause ──▶ half-open ── the probe fails ──▶ open
  ▲                                                                          │
  └───────────────────────── any call that succeeds ─────────────────────────┘
"""

from enum import IntEnum

FAILURES = 5
PAUSE_SECONDS = 5.0


class State(IntEnum):
    """As the metric tells it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """One replica's; half-open it lets a single call through, the probe, until that has ended."""

    def __init__(self, failures: int = FAILURES, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._most = failures
        self._pause_seconds = pause_seconds
        self.failed = 0  # calls in a row that were not served
        self._reopens: float | None = None  # when it is half-open; None while closed
        self._probing = False

    def state(self, now: float) -> State:
        """Closed, half-open or open."""
        if self._reopens is None:
            return State.CLOSED
        return State.OPEN if now < self._reopens else State.HALF_OPEN

    def allows(self, now: float) -> bool:
        """Whether a call may begin."""
        return self._reopens is None or (now >= self._reopens and not self._probing)

    def begin(self, now: float) -> bool:
        """A call begins; whether it is the probe, which must then succeed, fail or be abandoned."""
        if self._reopens is None or not self.allows(now):
            return False
        self._probing = True
        return True

    def succeed(self) -> None:
        """A call was served: whatever was the matter is over."""
        self.failed, self._reopens, self._probing = 0, None, False

    def begun(self) -> None:
        """The probe's answer begins: others need not wait for its end, but one more failure opens it again."""
        self.failed, self._reopens, self._probing = self._most - 1, None, False

    def fail(self, now: float) -> None:
        """A call was not served."""
        self.failed += 1
        if self._reopens is not None or self.failed >= self._most:
            self._reopens, self._probing = now + self._pause_seconds, False

    def abandon(self) -> None:
        """The probe ended without a verdict, as when its client left: the next call is the probe."""
        self._probing = False

    def expect(self, now: float) -> None:
        """There is reason to hope: half-open at once, without the rest of the pause."""
        if self._reopens is not None:
            self._reopens = min(self._reopens, now)
