"""A retraining's progress that lets the load begin as the new version is staged, and notes the times."""

import time
from collections.abc import Callable, Mapping

from finetune.progress import Progress


class SwapWatch:
    """Passes progress on; calls `at_stage` once, before the engine is touched."""

    def __init__(self, inner: Progress, at_stage: Callable[[], None]) -> None:
        self._inner = inner
        self._at_stage = at_stage
        self.began_at: dict[str, float] = {}
        self.ended_at: dict[str, float] = {}

    def began(self, step: str) -> None:
        """Note the time; the load begins with the stage step."""
        self.began_at[step] = time.monotonic()
        if step == "stage":
            self._at_stage()
        self._inner.began(step)

    def ended(self, step: str, told: str, *, again: bool = False) -> None:
        """Note the time."""
        self.ended_at[step] = time.monotonic()
        self._inner.ended(step, told, again=again)

    def advanced(self, done: int, total: int, told: str = "") -> None:
        """Pass it on."""
        self._inner.advanced(done, total, told)

    def measured(self, figures: Mapping[str, float]) -> None:
        """Pass it on."""
        self._inner.measured(figures)

    @property
    def seconds(self) -> dict[str, float]:
        """How long each step took."""
        return {step: ended - self.began_at[step] for step, ended in self.ended_at.items()}

    @property
    def span(self) -> tuple[float, float]:
        """From the first load on an engine until the old version was drained."""
        return self.began_at["stage"], self.ended_at["drain"]

    @property
    def swap_seconds(self) -> float:
        """From the first load on an engine until the alias's new weights were in force."""
        return self.ended_at["flip"] - self.began_at["stage"]
