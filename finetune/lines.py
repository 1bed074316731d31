"""Progress as lines, where no bar can be drawn: a log, a file, CI."""

import time
from collections.abc import Callable, Mapping

EVERY_SECONDS = 30.0  # between two lines about how far a step is


class Lines:
    """A line as a step begins, one as its work does, then one every so often, and one as it ends."""

    def __init__(
        self,
        tell: Callable[[str], None],
        every_seconds: float = EVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._every_seconds = every_seconds
        self._clock = clock
        self._step = ""
        self._next = 0.0  # when a line is due; one is at once where a step has just begun
        self._steps = 0.0  # of the training, once it has told

    def began(self, step: str) -> None:
        """Say that a step begins."""
        self._step, self._next, self._steps = step, self._clock(), 0.0
        self._tell(f"{step}: begins")

    def advanced(self, done: int, total: int, told: str = "") -> None:
        """Say how far it is, where that was not said just now; what is whole, or stands outside the count, at once."""
        if (now := self._clock()) < self._next and 0 < done < total:
            return
        self._next = now + self._every_seconds
        self._tell(f"{self._step}: {done} of {total}{f', {told}' if told else ''}")

    def ended(self, step: str, told: str, *, again: bool = False) -> None:
        """Say how a step ended."""
        self._tell(f"{step}: {told}{' (done before)' if again else ''}")

    def measured(self, figures: Mapping[str, float]) -> None:
        """Say how many steps a training has, once."""
        if (steps := figures.get("steps", 0.0)) != self._steps:
            self._steps = steps
            self._tell(f"{self._step}: {steps:.0f} steps")
