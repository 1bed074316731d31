"""Which texts share a forward pass: those of like length, so that little of it is padding. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Packing:
    """Texts, and the passes in which they go through the model."""

    lengths: tuple[int, ...]  # of each text
    passes: tuple[tuple[int, ...], ...]  # the numbers of the texts that go together

    @property
    def read(self) -> int:
        """Tokens that the model reads, padding left out."""
        return sum(self.lengths)

    @property
    def padded(self) -> int:
        """Tokens that the model reads, padding included."""
        return sum(len(rows) * max(self.lengths[row] for row in rows) for rows in self.passes)


def pack(lengths: Sequence[int], most: int, *, before: int = 0, overhead: int) -> Packing:
    """The cheapest passes, each of at most `most` tokens with its padding and the tokens `before` every row.

    A pass costs its padded tokens and an `overhead`, as many tokens as are read in the time that starting it takes.
    Only neighbours by length share a pass: swapping any two others would pad no less. One text may be over `most`.
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    cheapest, cut_before = (
        [0],
        [0],
    )  # of the first so many texts: what they cost, and where their last pass begins
    for end in range(1, len(order) + 1):
        options = []
        for start in range(end - 1, -1, -1):
            longest, rows = lengths[order[start]], end - start
            if rows > 1 and rows * (before + longest) > most:
                break
            options.append((cheapest[start] + overhead + rows * longest, start))
        cost, start = min(options)
        cheapest.append(cost)
        cut_before.append(start)
    passes, end = [], len(order)
    while end:
        passes.append(tuple(order[cut_before[end] : end]))
        end = cut_before[end]
    return Packing(tuple(lengths), tuple(reversed(passes)))
