"""Preference pairs from a file of JSON lines, as `trimtab finetune` exports them and as public sets have them.

{"messages" or "prompt": turns or a text, "chosen": a text or one assistant turn, "rejected": the same,
 "subset": what it tests (else "kind"), "id": a name}
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class PairsRefused(ValueError):
    """The file holds something that is no pair; the message names line and field."""


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """A conversation and two answers to it, the better one first."""

    messages: tuple[dict[str, str], ...]
    chosen: str
    rejected: str
    subset: str = "all"
    id: str = ""


def read_pairs(path: Path) -> list[LabelledPair]:
    """Every pair of the file; raises PairsRefused."""
    try:
        with path.open(encoding="utf-8") as lines:
            pairs = list(pairs_of(lines, path.name))
    except (OSError, UnicodeDecodeError) as error:
        raise PairsRefused(f"{path} cannot be read: {error}") from error
    if not pairs:
        raise PairsRefused(f"{path} holds no pairs")
    return pairs


def pairs_of(lines: Iterator[str], name: str) -> Iterator[LabelledPair]:
    """The pair of each line that is not empty."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield pair_of(json.loads(line), number)
            except json.JSONDecodeError as error:
                raise PairsRefused(f"{name}, line {number}: no JSON: {error}") from error
            except PairsRefused as error:
                raise PairsRefused(f"{name}, line {number}: {error}") from error


def pair_of(row: Any, number: int) -> LabelledPair:
    """The pair of a row."""
    if not isinstance(row, Mapping):
        raise PairsRefused("a pair is an object")
    asked = row.get("messages", row.get("prompt"))
    messages = ({"role": "user", "content": asked},) if isinstance(asked, str) else turns_of(asked)
    subset = row.get("subset") or row.get("kind") or "all"
    chosen, rejected = (answer_of(row.get(side), side) for side in ("chosen", "rejected"))
    return LabelledPair(messages, chosen, rejected, str(subset), str(row.get("id", number)))


def turns_of(asked: Any) -> tuple[dict[str, str], ...]:
    """The turns of a conversation; raises PairsRefused."""
    if not isinstance(asked, list) or not asked:
        raise PairsRefused("messages (or prompt): a text, or a list of turns that is not empty")
    for number, turn in enumerate(asked):
        if not isinstance(turn, Mapping) or not isinstance(turn.get("role"), str):
            raise PairsRefused(f"messages[{number}].role: a text is wanted")
        if not isinstance(turn.get("content"), str):
            raise PairsRefused(f"messages[{number}].content: a text is wanted")
    return tuple({"role": turn["role"], "content": turn["content"]} for turn in asked)


def answer_of(side: Any, field: str) -> str:
    """An answer's text: as it is, or of its one assistant turn; raises PairsRefused."""
    if isinstance(side, list) and len(side) == 1 and isinstance(side[0], Mapping):
        side = side[0].get("content")
    if not isinstance(side, str):
        raise PairsRefused(f"{field}: a text, or a list of one assistant turn")
    return side
