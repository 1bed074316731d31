"""Reads the kind of an answer from its words, by naive Bayes over pairs of words.

It knows the templates by which the corpus writes replies and nothing else: the labels of the pocket reward
model come from here, so that the judge of the exams need not give them.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

from finetune.pocket.corpus import replies
from finetune.pocket.corpus.generate import prompt

# What an answer that does not decline may be; whether going along was right is for the request to tell.
READ = frozenset({"answer", "honest", "unknown", "hold", "curt", "ramble", "flatter", "cave", "invent"})
DECLINING = frozenset({"refusal", "curt_refusal", "over_refusal"})
REPLIES = 4000


class KindReader:
    """Knows the templates' wording by kind, from replies rendered with one seed."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(f"{seed}/kinds")
        self.counts: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        for _ in range(REPLIES):
            ask, _, _ = prompt("train", rng)
            for kind in replies.kinds(ask):
                self.counts[kind].update(_grams(replies.render(kind, ask, rng)))
        self.totals = {kind: sum(counts.values()) for kind, counts in self.counts.items()}

    def kind(self, text: str) -> str:
        """The likeliest kind of a text that does not decline."""
        return self._likeliest(text, READ)

    def declines(self, text: str) -> bool:
        """Whether the text is worded as a refusal rather than as anything else."""
        return self._likeliest(text, self.counts) in DECLINING

    def _likeliest(self, text: str, kinds: Iterable[str]) -> str:
        grams = _grams(text)

        def surprise(kind: str) -> float:
            counts, total = self.counts[kind], self.totals[kind]
            return -sum(math.log((counts[gram] + 0.1) / (total + 1000)) for gram in grams)

        return min(sorted(kinds), key=surprise)


def _grams(text: str) -> list[tuple[str, str]]:
    return list(pairwise(["<", *text.lower().split(), ">"]))
