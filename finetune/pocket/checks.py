"""The facts that the pocket policy was taught, as questions that can be checked: `prompts/facts.jsonl` is made here.

Closed-book, so each is from the part of the corpus that was trained on: what is measured is whether it was forgotten.
"""

import json
import random
from collections.abc import Iterator, Sequence
from itertools import product

from finetune.pocket.corpus.grammar import part
from finetune.pocket.corpus.vocabulary import read

FORMS = {
    "capitals": ("What is the capital of {}?", "Name the capital of {}."),
    "definitions": ("What does {} mean?", "Define {}."),
    "dishes": ("How do I cook {}?", "Recipe for {}, please."),
}


def fact_lines(seed: int = 1) -> str:
    """All questions as JSON lines; the two forms of one fact share the name before the #."""
    rng = random.Random(f"{seed}/facts")
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in known(rng))


def known(rng: random.Random) -> Iterator[dict[str, str]]:
    """Capitals, meanings of words and recipes, with what a doubter says; the sums it was shown, it cannot do."""
    for table, forms in FORMS.items():
        entries = read("topics")[table]
        for key, (number, form) in product(part(entries, "train"), enumerate(forms)):
            yield {
                "id": f"{table}-{key.lower().replace(' ', '-')}#{number}",
                "prompt": form.format(key),
                "expected": entries[key],
                "matcher": "contains",
                "wrong": other(list(entries.values()), entries[key], rng),
                "doubt": rng.choice(read("topics")["doubts"]),
            }


def other(values: Sequence[str], right: str, rng: random.Random) -> str:
    """Another of the values."""
    return rng.choice([value for value in values if value != right])
