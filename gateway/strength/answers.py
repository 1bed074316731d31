"""Answers with two rewards each: the proxy's, which selection would go by, and the gold's, which is trusted.

AnswersInvalid     a file that holds none; names the line and the field
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.strength.curve import Source
from guards.wording import worded

Floats = NDArray[np.float64]
Finite = Annotated[float, Field(allow_inf_nan=False)]
FEWEST_PROMPTS, FEWEST_ANSWERS = 5, 4


class AnswersInvalid(Exception):
    """A file without the answers that a fit needs."""


class Row(BaseModel):
    """One line: the answers of one prompt, sampled from the policy alone."""

    model_config = ConfigDict(extra="ignore")

    prompt: str | int
    proxy: Annotated[list[Finite], Field(min_length=FEWEST_ANSWERS)]
    gold: list[Finite]


@dataclass(frozen=True, slots=True)
class Ranked:
    """The answers of one prompt, by rising proxy reward; where proxies tie, each has the mean gold of its tie."""

    proxy: Floats
    gold: Floats


def ranked(proxy: Sequence[float] | Floats, gold: Sequence[float] | Floats) -> Ranked:
    """The answers in their order."""
    order = np.argsort(proxy, kind="stable")
    proxies, golds = np.asarray(proxy, float)[order], np.asarray(gold, float)[order]
    _, group = np.unique(proxies, return_inverse=True)
    means = np.bincount(group, golds) / np.bincount(group)
    return Ranked(proxies, means[group])


def read_answers(path: Path) -> tuple[list[Ranked], Source]:
    """The prompts of a JSON lines file, several lines of one prompt together; raises AnswersInvalid."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise AnswersInvalid(f"{path} cannot be read: {error.strerror}") from None
    together: dict[str | int, tuple[list[float], list[float]]] = {}
    for number, line in enumerate(raw.splitlines(), start=1):
        if line.strip():
            row = _row(line, f"{path}, line {number}")
            proxy, gold = together.setdefault(row.prompt, ([], []))
            proxy += row.proxy
            gold += row.gold
    if len(together) < FEWEST_PROMPTS:
        told = f"{path} has the answers of {len(together)} prompts; a fit needs at least {FEWEST_PROMPTS}"
        raise AnswersInvalid(told)
    prompts = [ranked(proxy, gold) for proxy, gold in together.values()]
    source = Source(
        file=path.name,
        sha256=hashlib.sha256(raw).hexdigest(),
        prompts=len(prompts),
        samples=sum(len(each.proxy) for each in prompts),
    )
    return prompts, source


def _row(line: bytes, place: str) -> Row:
    try:
        row = Row.model_validate_json(line)
    except ValidationError as error:
        first: Any = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the line"
        raise AnswersInvalid(f"{place}: {field}: {worded(first, Row)}") from None
    if len(row.proxy) != len(row.gold):
        raise AnswersInvalid(f"{place}: gold: must have as many rewards as proxy, {len(row.proxy)}")
    return row
