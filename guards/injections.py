"""Injections written for the guard classifier, and harmless requests that share their words."""

import random
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from guards.contrast import filled, handwriting
from guards.datasets import Row


def injection_rows(seed: int, size: int) -> Iterator[Row]:
    """As many rows as asked for, half of them attacks; some attacks come after a harmless question."""
    rng = random.Random(f"{seed}/injections")
    book = phrase_book()
    for number in range(size):
        attack = number % 2 == 1
        lines = [rng.choice(book["attack"])] if attack else []
        lines = [
            rng.choice(book["fine"]) for _ in range(rng.choice((0, 0, 1, 2) if attack else (1, 1, 2)))
        ] + lines
        text = " ".join(
            handwriting(" ".join(filled(line, book["words"], rng).split()), rng) for line in lines
        )
        yield Row(
            text,
            "injections",
            unsafe=None if attack else False,
            attack="G.prompt_injection" if attack else None,
        )


@cache
def phrase_book() -> Mapping[str, Any]:
    """The phrases as their file has them."""
    found: Mapping[str, Any] = yaml.safe_load((files("guards.models") / "injections.yaml").read_text("utf-8"))
    return found
