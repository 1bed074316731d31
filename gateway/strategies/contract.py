"""What a strategy decides: whether rewards are needed, and which candidates win."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.exchange import Candidate


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidates to deliver, best first, by position; and one sentence that says why."""

    winners: tuple[int, ...]
    why: str


class Strategy(Protocol):
    """A way to choose among candidates; what may not be delivered may be chosen only to show its refusal."""

    @property
    def ranks(self) -> bool:
        """Whether candidates are scored before the choice."""
        ...

    def choose(self, candidates: Sequence[Candidate], returned: int) -> Choice:
        """The winners, at most `returned`; the reward of each safe candidate is None when there are none."""
        ...
