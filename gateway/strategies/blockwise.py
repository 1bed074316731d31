"""Best of n that streams: of several ways to go on the best is taken, block after block, and said at once.

Source: Mudgal et al. 2024, Controlled Decoding from Language Models, arXiv 2310.17022 (blockwise best-of-K).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.exchange import Candidate
from gateway.strategies.best_of_n import BestOfN
from gateway.strategies.contract import PLAIN, Choice, Gathers, Knobs


class Blockwise(BestOfN):
    """What is left at the end is one answer, made of the best blocks; the others are kept for the record."""

    gathers: Gathers = "blocks"

    def choose(self, candidates: Sequence[Candidate], returned: int, knobs: Knobs = PLAIN) -> Choice:
        """The one answer, if guards let it pass; how it was chosen is told by whoever put it together."""
        choice = super().choose(candidates, returned, knobs)
        return Choice(choice.winners, "The best blocks, one after the other.") if choice.winners else choice


@dataclass(frozen=True, slots=True)
class Block:
    """One way to go on."""

    text: str
    finish_reason: str | None  # `length` where the block's end is not the answer's
    tokens: int


def best_block(among: Sequence[int], rewards: Mapping[int, float]) -> int:
    """Of these blocks the one with the highest reward; the first where there are none, or of equals."""
    return min(among, key=lambda index: (-rewards.get(index, float("-inf")), index))


def over(block: Block, left: int) -> bool:
    """Whether the answer ends with this block: the model has ended it, or no more tokens are wanted."""
    return block.finish_reason != "length" or left <= 0
