"""The order of KTO's rows: TRL asks each for the answer of the row before it, and the first of a batch for the last's.

These mismatched answers tell how far the policy has gone from its reference (z0 of arXiv 2402.01306). They must be
other prompts': how likely the other answer to the very same prompt is, is what is being learnt.
"""

import random
from collections import defaultdict
from collections.abc import Sequence

REACH = 64  # places to either side, in which a row that may be exchanged is looked for


def apart(prompts: Sequence[str], batch: int, seed: int) -> list[int]:
    """Places of rows in an order in which, as far as may be, none gets an answer to its own prompt; by seed the same.

    `prompts` are the rows' own; `batch` rows go through the model at once.
    """
    order = spread(prompts, random.Random(seed))
    for place in range(len(order)):
        if clashes(order, prompts, batch, place):
            exchange(order, prompts, batch, place)
    return order


def spread(prompts: Sequence[str], rng: random.Random) -> list[int]:
    """The rows of each prompt at equal distances; of prompts side by side now one row is first, now another.

    So that good and bad answers, which stand in turn in a pair, stand in turn in the whole.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, prompt in enumerate(prompts):
        rows[prompt].append(row)
    mixed = sorted(rows)
    rng.shuffle(mixed)
    placed: list[tuple[float, int]] = []
    for rank, prompt in enumerate(mixed):
        mine, phase = rows[prompt], (rank + 0.5) / len(mixed)
        first = rank % len(mine)
        turned = mine[first:] + mine[:first]
        placed += [((turn + phase) / len(mine), row) for turn, row in enumerate(turned)]
    return [row for _, row in sorted(placed)]


def clashes(order: Sequence[int], prompts: Sequence[str], batch: int, place: int) -> int:
    """How many of the two rows beside a place, around the end of its batch, have its prompt; alone it has none."""
    start = place // batch * batch
    size = min(batch, len(order) - start)
    beside = {start + (place - start + step) % size for step in (-1, 1)} - {place}
    return sum(prompts[order[other]] == prompts[order[place]] for other in beside)


def exchange(order: list[int], prompts: Sequence[str], batch: int, place: int) -> None:
    """Let a row change places with the nearest with which there are fewer clashes; where there is none, it stays."""
    steps = (step for far in range(1, REACH) for step in (far, -far))
    for other in (place + step for step in steps if 0 <= place + step < len(order)):
        if prompts[order[other]] == prompts[order[place]]:
            continue
        before = clashes(order, prompts, batch, place) + clashes(order, prompts, batch, other)
        order[place], order[other] = order[other], order[place]
        if clashes(order, prompts, batch, place) + clashes(order, prompts, batch, other) < before:
            return
        order[place], order[other] = order[other], order[place]
