"""The nets behind the guard classifier's heads, as torch has them, and a column of one that is learnt by itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from guards.lessons import PROMPT_LABELS
from guards.schooling import Floats, School, rounds

Bag = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

ATTACK_SHARE = 0.3  # of the hidden layer's logit of an injection that counts beside the column's
ABOUT_ATTACKS = ("deepset", "injections")  # the first is small, and repeated
RATE, EPOCHS, BATCH, DROPPED = 0.02, 4, 256, 0.2


class HeadNet(nn.Module):
    """A bag of n-gram rows, whose last column goes straight to `unsafe`, and a hidden layer."""

    def __init__(self, rows: int, labels: int, side: int, width: int, hidden: int) -> None:
        super().__init__()
        self.rows = rows
        self.table = nn.EmbeddingBag(rows, width + 1, mode="sum", sparse=True)
        nn.init.normal_(self.table.weight, std=0.05)
        with torch.no_grad():
            self.table.weight[:, -1] = 0
        self.hidden = nn.Linear(width + side, hidden)
        self.out = nn.Linear(hidden, labels)
        self.rest = nn.Dropout(0.2)

    def forward(self, bag: Bag, side: torch.Tensor) -> torch.Tensor:
        """One logit for each bag and label."""
        buckets, offsets, weights = bag
        summed = self.table(buckets & (self.rows - 1), offsets, per_sample_weights=weights)
        seen = torch.cat([summed[:, :-1], side], dim=1)
        logits = self.out(self.rest(torch.relu(self.hidden(seen))))
        return torch.cat([logits[:, :1] + summed[:, -1:], logits[:, 1:]], dim=1)


def bag_of(bags: Sequence[NDArray[np.int32]]) -> Bag:
    """Bags end to end, as an embedding bag takes them; each n-gram weighs one over the root of their number."""
    sizes = np.array([len(bag) for bag in bags])
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    weights = np.repeat(1 / np.sqrt(np.maximum(1, sizes)), sizes).astype(np.float32)
    together = np.concatenate(bags).astype(np.int64)
    return torch.from_numpy(together), torch.from_numpy(offsets), torch.from_numpy(weights)


@torch.no_grad()
def judged(net: HeadNet, lessons: School) -> Floats:
    """The net's logits for all lessons."""
    found = [np.zeros((0, lessons.labels.shape[1]), np.float32)]
    for start in range(0, len(lessons.bags), 512):
        sides = torch.from_numpy(lessons.sides[start : start + 512])
        found.append(net(bag_of(lessons.bags[start : start + 512]), sides).numpy())
    return np.concatenate(found)


def attack_terms(
    net: HeadNet, lessons: School, seed: int, *, repeated: int, most_others: int
) -> dict[str, Any]:
    """A column of the table that goes straight to prompt injection, learnt beside a finished head; none without any.

    There are few of them, and what marks them is a phrase: the hidden layer, busy with harm, hardly hears it.
    """
    rng = np.random.default_rng(seed)
    place = PROMPT_LABELS.index("G.prompt_injection")
    sources = np.array(lessons.sources)
    attacks = (lessons.labels[:, place] > 0.5) & (sources != "corpus")
    rest = np.flatnonzero((lessons.weights[:, 0] > 0) & ~attacks & (sources != "corpus"))
    if not attacks.any() or not len(rest):
        return {}
    others = rng.choice(rest, min(most_others, len(rest)), replace=False)
    about_them = np.isin(sources, ABOUT_ATTACKS)
    often = np.repeat(np.flatnonzero(sources == ABOUT_ATTACKS[0]), repeated - 1)
    chosen = np.concatenate([np.flatnonzero(about_them | attacks), often, others])
    labels = torch.from_numpy((lessons.labels[chosen, place] > 0.5).astype(np.float32))
    known = ATTACK_SHARE * torch.from_numpy(judged(net, lessons)[chosen, place])
    column, added = straight(net.rows, [lessons.bags[at] for at in chosen], known, labels, rng)
    return {
        "prompt.attack_column": column.detach().numpy()[:, 0].astype(np.float16),
        "prompt.attack": np.array([ATTACK_SHARE, added], np.float32),
    }


def straight(
    rows: int,
    bags: Sequence[NDArray[np.int32]],
    known: torch.Tensor,
    labels: torch.Tensor,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, float]:
    """A weight for each row, and what is added, by which these bags get their labels beside what is known."""
    column = nn.EmbeddingBag(rows, 1, mode="sum", sparse=True)
    nn.init.zeros_(column.weight)
    added = torch.zeros(1, requires_grad=True)
    table, shift = torch.optim.SparseAdam([column.weight], lr=RATE), torch.optim.Adam([added], lr=RATE)
    steps = rounds(len(bags), EPOCHS, BATCH, rng)
    for done, step in enumerate(steps):
        table.param_groups[0]["lr"] = RATE * (1 - done / len(steps))
        thinned = [bags[at][rng.random(len(bags[at])) > DROPPED] for at in step]
        buckets, offsets, weights = bag_of(thinned)
        said = column(buckets & (rows - 1), offsets, per_sample_weights=weights)[:, 0]
        loss = nn.functional.binary_cross_entropy_with_logits(known[step] + said + added, labels[step])
        table.zero_grad()
        shift.zero_grad()
        loss.backward()
        table.step()
        shift.step()
    return column.weight, float(added.item())
