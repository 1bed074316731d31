"""Labelled rows: those that `trimtab guards score` reads, with a label, and perhaps hazard and language."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from guards.scoring.rows import BadRow, Row, json_of, row_of

HARMFUL = frozenset({1, "1", "unsafe", "harmful", "true", "yes", "injection", "jailbreak"})
HARMLESS = frozenset({0, "0", "safe", "harmless", "false", "no", "benign"})


class LabelsRefused(Exception):
    """A labelled file that cannot be used; the text says where, why and what to do."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row, and what people say of it."""

    row: Row
    unsafe: bool
    hazards: tuple[str, ...] = ()  # none, where its source tells none
    language: str = ""


def read_labelled(path: Path) -> list[Labelled]:
    """All rows of a file; raises LabelsRefused at the first that is none."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise LabelsRefused(f"{path}: cannot be read: {error.strerror}") from error
    return list(labelled_lines(lines, str(path)))


def labelled_lines(lines: Iterable[bytes], name: str) -> Iterator[Labelled]:
    """The rows of lines."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield labelled(line, number)
            except BadRow as error:
                raise LabelsRefused(f"{name}:{number}: {error.field}: {error}") from error


def labelled(line: bytes, number: int) -> Labelled:
    """One row; raises BadRow."""
    told = json_of(line)
    if not isinstance(told, dict):
        raise BadRow("line", "must be an object with text or messages, and a label")
    field = "unsafe" if "unsafe" in told else "label"
    said = told.get(field)
    word = said.lower() if isinstance(said, str) else said
    if not isinstance(word, str | int | bool) or word not in HARMFUL | HARMLESS:
        raise BadRow(field, "must say whether the text is harmful: 1 or 0, true or false, unsafe or safe")
    hazard = told.get("hazard") or told.get("hazards") or ()
    hazards = (hazard,) if not isinstance(hazard, list | tuple) else tuple(hazard)
    if not all(isinstance(each, str) for each in hazards):
        raise BadRow("hazard", "must be a hazard's id, or a list of them")
    language = told.get("language") or ""
    if not isinstance(language, str):
        raise BadRow("language", "must be a string")
    return Labelled(row_of(told, number), word in HARMFUL, hazards, language)
