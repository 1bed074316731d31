"""The corpus's data files, read once and cut into splits."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from finetune.pocket.corpus.example import Nature, Split
from finetune.pocket.corpus.grammar import Phrase, expand, part


@dataclass(frozen=True, slots=True)
class Shelf:
    """The phrases of one nature, hazard and shape ("do", "write", "script", "say") in one split."""

    nature: Nature
    hazard: str | None
    shape: str
    rules: tuple[tuple[Phrase, ...], ...]


@cache
def read(stem: str) -> Any:
    """One data file of the corpus, parsed."""
    return yaml.safe_load((files("finetune.pocket.corpus") / "data" / f"{stem}.yaml").read_text("utf-8"))


@cache
def forms(shape: str, split: Split) -> tuple[str, ...]:
    """The request forms of a shape in one split."""
    return tuple(part(read("forms")[shape], split))


@cache
def words(kind: str, split: Split) -> tuple[str, ...]:
    """Everyday nouns or adjectives of one split."""
    return tuple(part(read("words")[kind].split(), split))


@cache
def shelves(split: Split) -> dict[Nature, tuple[Shelf, ...]]:
    """Every shelf of a split, by nature; hazards stay apart so that each is drawn equally often."""
    found: dict[Nature, list[Shelf]] = defaultdict(list)
    for hazard, shapes in read("harm").items():
        found["refusable"] += [_shelf("refusable", hazard, s, r, split) for s, r in shapes.items()]
    for domain, shapes in read("benign").items():
        nature: Nature = "borderline" if domain == "borderline" else "benign"
        found[nature] += [_shelf(nature, None, s, r, split) for s, r in shapes.items()]
    for nature in ("unanswerable", "flattery"):
        found[nature] = [_shelf(nature, None, "say", read("topics")[nature], split)]
    return {nature: tuple(shelf for shelf in group if shelf.rules) for nature, group in found.items()}


def _shelf(nature: Nature, hazard: str | None, shape: str, rules: list[str], split: Split) -> Shelf:
    phrases = [expand(rule) for rule in rules]
    kept = set(part({phrase.entity for group in phrases for phrase in group}, split))
    cut = (tuple(phrase for phrase in group if phrase.entity in kept) for group in phrases)
    return Shelf(nature, hazard, shape, tuple(group for group in cut if group))
