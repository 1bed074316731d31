"""Which aliases have a rollout under way, as every gateway follows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.ledger.rollout_tables import RolloutRow

SHADOW, CANARY = "shadow", "canary"


@dataclass(frozen=True, slots=True)
class Watched:
    """One alias's rollout: a version that is shown copies of requests, or answers a share of them."""

    rollout: str
    version: str
    baseline: str
    state: str
    share: float

    def arm(self, version: str) -> str | None:
        """The side on which a version answers; None for one that has no part in it."""
        return "stable" if version == self.baseline else CANARY if version == self.version else None

    def shows(self, exchange: str) -> bool:
        """Whether the shadow is shown this request: by its id, which says nothing of the request."""
        if self.state != SHADOW:
            return False
        place = int.from_bytes(blake2b(exchange.encode(), digest_size=7).digest()) / 256**7
        return place < self.share

    def conversation(self, affinity: str) -> str:
        """A digest that only this rollout's outcomes share: it groups turns, and cannot be looked up elsewhere."""
        key = blake2b(self.rollout.encode(), digest_size=32).digest()
        return blake2b(affinity.encode("utf-8", "surrogatepass"), digest_size=16, key=key).hexdigest()


async def watched_in(connection: AsyncConnection) -> Mapping[str, Watched]:
    """Alias → its rollout, of those whose outcomes are wanted."""
    row = RolloutRow
    columns = (row.alias, row.id, row.version, row.baseline, row.state, row.share)
    query = select(*columns).where(row.running == 1, row.state.in_((SHADOW, CANARY)))
    found = await connection.execute(query)
    return {
        told.alias: Watched(told.id, told.version, told.baseline, told.state, told.share) for told in found
    }
