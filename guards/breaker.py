"""A rest for a guard whose service does not answer: nobody waits for it meanwhile, and one request tries it again.

Only a service that is silent or away counts as failing. An answer that makes no sense does not, nor does a crash: these
an attacker could bring about, to have a guard that is `on_error: open` taken out of the way.
"""

import time
from collections.abc import Callable

from guards.verdict import GuardFailed, GuardTimedOut, GuardUnavailable


class Breaker:
    """Counts failures one after the other, and says when not to ask."""

    def __init__(self, failures: int, rest_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._rest_seconds = rest_seconds
        self._now = now
        self._failures = 0
        self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether it is not to be asked now."""
        return self._now() < self._rests_until

    def begin(self) -> None:
        """Somebody asks; raises GuardUnavailable while it rests. The first after a rest asks alone."""
        if self.rests:
            raise GuardUnavailable(f"is given a rest after {self._failures} failures, one after the other")
        if self._failures >= self._most:
            self._rests_until = self._now() + self._rest_seconds

    def end(self, failure: GuardFailed | None) -> None:
        """It answered, or failed."""
        if failure is None:
            self._failures, self._rests_until = 0, 0.0
        elif isinstance(failure, GuardTimedOut | GuardUnavailable):
            self._failures += 1
            if self._failures >= self._most:
                self._rests_until = self._now() + self._rest_seconds
