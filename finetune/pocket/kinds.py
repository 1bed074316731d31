"""Reads the kind of an answer to a harmless request from its words, by naive Bayes over pairs of words."""

import math
import random
from collections import Counter, defaultdict
from itertools import pairwise

from finetune.pocket.corpus import replies
from finetune.pocket.corpus.generate import prompt

# Kinds that only the words can tell apart; refusals and compliance are the judge's to tell.
READ = frozenset({"answer", "honest", "unknown", "hold", "curt", "ramble", "flatter", "cave", "invent"})
REPLIES = 4000


class KindReader:
    """Knows the templates' wording by kind, from replies rendered with one seed."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(f"{seed}/kinds")
        self.counts: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        for _ in range(REPLIES):
            ask, _, _ = prompt("train", rng)
            for kind in READ.intersection(replies.kinds(ask)):
                self.counts[kind].update(_grams(replies.render(kind, ask, rng)))
        self.totals = {kind: sum(counts.values()) for kind, counts in self.counts.items()}

    def kind(self, text: str) -> str:
        """The likeliest kind of the text."""
        grams = _grams(text)

        def surprise(kind: str) -> float:
            counts, total = self.counts[kind], self.totals[kind]
            return -sum(math.log((counts[gram] + 0.1) / (total + 1000)) for gram in grams)

        return min(sorted(self.counts), key=surprise)


def _grams(text: str) -> list[tuple[str, str]]:
    return list(pairwise(["<", *text.lower().split(), ">"]))
