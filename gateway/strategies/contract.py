"""What a strategy decides: how its candidates come about, whether rewards are needed, and which candidates win."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal, Protocol

from gateway.exchange import Candidate

# All in one call; a few at a time until more is not worth it; many of which most are cut short; block by block.
Gathers = Literal["together", "waves", "rejection", "blocks"]
# Without rewards one that needs them ranks nothing; one that uses them breaks ties by them.
Rewarded = Literal["needed", "used", "unused"]
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidates to deliver, best first, by position; and one sentence that says why."""

    winners: tuple[int, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Reference:
    """How a head's rewards are spread on a route, frozen: what a z-score is taken against."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Knobs:
    """What a request, or the configuration in its place, chose of a strategy; chance comes from the exchange's id."""

    # λ of soft best-of-n, β of pessimism, in units of the reward (of a dial: standard deviations); 0 is best-of-n.
    temperature: float = 0.0
    mu: float = 0.0  # μ of best-of-Poisson: how many samples are drawn beside the first, in the mean
    dial: Mapping[str, float] = field(default_factory=dict)  # weights by reward head; empty: the plain reward
    references: Mapping[str, Reference] = field(default_factory=dict)  # by reward head, where there are any
    seed: str = ""  # the exchange's id

    def chance(self, of: str) -> float:
        """A number above 0 and below 1, as if drawn evenly; the same exchange and purpose give the same one."""
        digest = blake2b(f"{self.seed}\0{of}".encode(), digest_size=8).digest()
        return ((int.from_bytes(digest, "big") >> 11) + 0.5) / (1 << 53)


PLAIN = Knobs()


class Strategy(Protocol):
    """A way to choose among candidates; what may not be delivered may be chosen only to show its refusal."""

    @property
    def ranks(self) -> bool:
        """Whether candidates compete, so that nothing leaves before all of them are whole."""
        ...

    @property
    def rewarded(self) -> Rewarded:
        """What rewards are to it."""
        ...

    @property
    def gathers(self) -> Gathers:
        """How its candidates come about."""
        ...

    @property
    def asks_for(self) -> Mapping[str, Any]:
        """Fields of a chat completion that it needs of the engine beside the client's own."""
        ...

    def choose(self, candidates: Sequence[Candidate], returned: int, knobs: Knobs = PLAIN) -> Choice:
        """The winners, at most `returned`; the reward of each safe candidate is None when there are none."""
        ...
