"""Which replica is asked first: the one that knows the conversation, unless it is too busy. Pure.

A replica that answered a conversation's earlier turns still holds their prefix in its cache. Rendezvous hashing finds
it without memory of conversations, and moves no other conversation when a replica comes or goes. Load is bounded as
in consistent hashing with bounded loads: for whom the home is too busy goes to the next in the conversation's own
order. What belongs to no conversation goes to the replica that owes the fewest tokens.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Protocol, TypeVar

# A cached prefix saves at most the prefill of one prompt: it is worth waiting behind about one request more than
# elsewhere (the slack), and among busy replicas behind a load half as large again, which is within the error of
# estimates; beyond that, the wait costs more than the prefill.
BOUND = 1.5
SLACK_TOKENS = 2048
CHARACTERS_PER_TOKEN = 4
USUAL_ANSWER_TOKENS = 256
LONGEST_ANSWER_TOKENS = (
    131_072  # more is a client's fancy, and would make a replica look busier than it can be
)


class Loaded(Protocol):
    """What is to be known of a replica here."""

    @property
    def name(self) -> str:
        """Unique among the replicas."""
        ...

    @property
    def tokens(self) -> int:
        """Estimated tokens that it still owes."""
        ...


L = TypeVar("L", bound=Loaded)


def tokens_of(body: Mapping[str, Any]) -> int:
    """About how many tokens a request makes a replica read and write; the prompt once, the answer n times."""
    characters = sum(_characters(message.get("content")) for message in body["messages"])
    longest = body.get("max_completion_tokens") or body.get("max_tokens")
    answer = longest if isinstance(longest, int) and longest > 0 else USUAL_ANSWER_TOKENS
    return characters // CHARACTERS_PER_TOKEN + min(answer, LONGEST_ANSWER_TOKENS) * (body.get("n") or 1)


def ranked(replicas: Sequence[L], affinity: str | None, turn: int) -> list[L]:
    """The replicas in the order in which to ask them; those equally loaded take turns."""
    count = len(replicas)
    if count < 2:
        return list(replicas)
    least_first = [
        replicas[place]
        for place in sorted(range(count), key=lambda place: (replicas[place].tokens, (place - turn) % count))
    ]
    if affinity is None:
        return least_first
    most = BOUND * least_first[0].tokens + SLACK_TOKENS
    home = next(each for each in by_affinity(replicas, affinity) if each.tokens <= most)
    return [home, *(each for each in least_first if each is not home)]


def by_affinity(replicas: Sequence[L], affinity: str) -> list[L]:
    """The replicas in a conversation's own order, which does not change for those that stay."""
    return sorted(replicas, key=lambda replica: _draw(affinity, replica.name), reverse=True)


def _draw(affinity: str, name: str) -> bytes:
    return blake2b(f"{name}\0{affinity}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _characters(content: Any) -> int:
    if isinstance(content, str):
        return len(content)
    return sum(len(part["text"]) for part in content or () if isinstance(part.get("text"), str))
