"""What a kind of guard must say of itself, and how kinds are found: by entry points of `trimtab.guards`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from pydantic import BaseModel

from guards.verdict import Guard, Where


@dataclass(frozen=True, slots=True)
class Reach:
    """How much text a guard must see at once before its promise can be kept on a stream.

    From `onset` characters on, every beginning of a match is already a match; None is without bound, and 0
    says that the guard judges whatever it is given instead of matching.
    """

    onset: int | None = 0
    what: str = ""  # what needs so much, for the message that refuses it


class Kind(Protocol):
    """One kind of guard, as an entry point of `trimtab.guards` names it; made without arguments."""

    @property
    def config(self) -> type[BaseModel]:
        """The model of a rule's `config`; validated with context {"folder": the policy file's folder,
        "services": those that it may name}."""
        ...

    def hazards(self, config: Any, where: Where) -> frozenset[str]:
        """The hazards that it can report there."""
        ...

    def located(self, config: Any) -> frozenset[str]:
        """The hazards that it reports with spans, so that they can be redacted."""
        ...

    def reach(self, config: Any, hazards: frozenset[str]) -> Reach:
        """How much text it needs to find these hazards."""
        ...

    def revision(self, config: Any) -> str:
        """A hash of everything beside the document that decides its verdicts: lists, weights."""
        ...

    def build(self, name: str, config: Any) -> Guard:
        """The guard, loaded and ready."""
        ...


class KindUnavailable(Exception):
    """A kind that is declared and cannot be loaded here; the text says what is missing."""


class Installed(Mapping[str, Kind]):
    """The kinds that installed packages offer; each is loaded when a policy first names it, and not before."""

    def __init__(self, points: Mapping[str, EntryPoint]) -> None:
        self._points = points
        self._loaded: dict[str, Kind] = {}

    def __getitem__(self, name: str) -> Kind:
        """The kind; raises KeyError for a name that nobody offers, KindUnavailable where a library is missing."""
        point = self._points[name]
        if name not in self._loaded:
            try:
                self._loaded[name] = point.load()()
            except ImportError as error:
                raise KindUnavailable(f"the kind {name!r} cannot be loaded here: {error}") from error
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._points

    def __iter__(self) -> Iterator[str]:
        return iter(self._points)

    def __len__(self) -> int:
        return len(self._points)


@cache
def installed_kinds() -> Mapping[str, Kind]:
    """Every kind that an installed package offers, ours and third parties', by name."""
    return Installed({point.name: point for point in entry_points(group="trimtab.guards")})
