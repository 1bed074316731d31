"""Where a request that has ended is told to whoever follows a rollout; nobody does most of the time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.outcomes.watched import Watched
from gateway.trip import Trip


@dataclass(slots=True)
class Watching:
    """The rollouts under way, replaced as the ledger says, and who takes note of their requests."""

    current: Mapping[str, Watched] = field(default_factory=dict)
    recorder: Callable[[Trip], None] | None = None

    def offer(self, trip: Trip) -> None:
        """Tell of a request that has ended."""
        if self.current and self.recorder is not None:
            self.recorder(trip)
