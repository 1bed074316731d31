"""Where a long run tells how far it is."""

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """Hears of steps as they begin and end, and of the work inside them."""

    def began(self, step: str) -> None:
        """A step has begun."""
        ...

    def ended(self, step: str, told: str, *, again: bool = False) -> None:
        """A step has ended with a result, told in one line; `again` when an earlier worker had done it."""
        ...

    def advanced(self, done: int, total: int, told: str = "") -> None:
        """The step under way has done so much of its work."""
        ...

    def measured(self, figures: Mapping[str, float]) -> None:
        """Training has measured something of itself; the names are those of `finetune.metrics`."""
        ...


class Silence:
    """Progress that nobody watches."""

    def began(self, step: str) -> None:
        """Say nothing."""

    def ended(self, step: str, told: str, *, again: bool = False) -> None:
        """Say nothing."""

    def advanced(self, done: int, total: int, told: str = "") -> None:
        """Say nothing."""

    def measured(self, figures: Mapping[str, float]) -> None:
        """Say nothing."""
