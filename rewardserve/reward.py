"""A reward: a number, which may know more of itself."""

from collections.abc import Mapping
from typing import Self

NO_HEADS: Mapping[str, float] = {}


class Reward(float):
    """What a candidate is worth; behaves as its number, so whoever wants no more than that need not know.

    `heads` are its parts by name, for models that judge several things at once; `spread` is how far the members of
    an ensemble disagree, in the unit of the number, and 0 where one model judges alone.
    """

    __slots__ = ("heads", "spread")

    heads: Mapping[str, float]
    spread: float

    def __new__(cls, value: float, heads: Mapping[str, float] = NO_HEADS, spread: float = 0.0) -> Self:
        """The number, its parts and its doubt."""
        reward = super().__new__(cls, value)
        reward.heads = heads
        reward.spread = spread
        return reward
