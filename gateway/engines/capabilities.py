"""What one replica can do: declared by its operator, or learned from its own answers; never assumed. Pure.

- `n`, several choices from one call: learned from the first answer to a call that wanted several. Who gives one is
  asked n times from then on.
- `adapters`, loading them while serving: learned from whether there is a route for it, which is looked at and not used.
- `logprobs`: declared only. Without them a request that wants them is asked of other replicas, or refused.

While nobody knows, a replica is asked as it comes: what it then does is how one learns.
"""

from collections.abc import Collection
from typing import get_args

from gateway.engines.contract import Capability


class Capabilities:
    """One replica's; `serves` is what its operator declares, all of it, or None."""

    def __init__(self, serves: Collection[Capability] | None = None) -> None:
        self.declared = serves is not None
        self._known: dict[Capability, bool | None] = {
            name: None if serves is None else name in serves for name in get_args(Capability)
        }
        self.lacking = False in self._known.values()  # whether there is anything that it is known to lack

    def has(self, name: Capability) -> bool:
        """Whether it is known that the replica can."""
        return self._known[name] is True

    def lacks(self, name: Capability) -> bool:
        """Whether it is known that the replica cannot."""
        return self._known[name] is False

    def learn(self, name: Capability, can: bool | None) -> None:
        """Remember what an answer shows; what was declared stays."""
        if not self.declared:
            self._known[name] = can
            self.lacking = False in self._known.values()

    def as_json(self) -> dict[str, bool | None]:
        """Each by name; null while nobody knows."""
        return {str(name): can for name, can in self._known.items()}
