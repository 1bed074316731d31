"""What is wrong with settings, a line for each fault: where it stands, which field it is, and what may stand there."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from guards.wording import names_at, worded

ALIKE = 0.5  # of two names' letters, at least, for one to be suggested for the other


@dataclass(frozen=True, slots=True)
class Source:
    """A file's settings, the beginning of variables that come over them, and what both are read as."""

    model: Any
    prefix: str
    file: Path
    document: Mapping[str, Any]
    variables: Collection[str]  # that are set, by their names
    section: str = ""  # of the file, that these settings are

    def told(self, faults: Iterable[Mapping[str, Any]]) -> str:
        """All faults, one a line, with the file or variable that each stands in; never a value."""
        return "\n".join(map(self._line, faults))

    def _line(self, fault: Mapping[str, Any]) -> str:
        place = fault["loc"]
        field = ".".join(filter(None, (self.section, *map(str, place)))) or "settings"
        return "".join(f"{part}: " for part in (*self._stands_in(place), field)) + worded(fault, self.model)

    def _stands_in(self, place: tuple[int | str, ...]) -> Iterator[str]:
        names = (variable(self.prefix, place[:length]) for length in range(len(place), 0, -1))
        if (found := next((name for name in names if name in self.variables), None)) is not None:
            yield found
        elif place and place[0] in self.document:
            yield str(self.file)


def variable(prefix: str, place: Iterable[int | str]) -> str:
    """The variable that a field is told by."""
    return prefix + "__".join(str(step).upper() for step in place)


def nearest(name: str, prefix: str, model: Any) -> str | None:
    """The variable that a misspelt one, or the section that it begins with, was meant for, if any is like it."""
    place: list[str] = []
    for part in name.removeprefix(prefix).strip("_").lower().split("__"):
        alike = get_close_matches(part, names_at(model, place), 1, ALIKE)
        if not alike:
            break
        place += alike
    return variable(prefix, place) if place else None
