"""YAML with the place of every value kept, so that a refused policy says where; a repeated key is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from guards.policy.shown import shown
from guards.verdict import PolicyRefused

Place = tuple[str | int, ...]
MOST_NODES = 100_000  # an alias that stands for aliases would else grow without end
DEEPEST = 60


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something stands in a file, counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


Marks = Mapping[Place, Mark]


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a document: a scalar, a list of nodes, or a mapping of nodes; and where it, or its key, stands."""

    value: Any
    mark: Mark

    def under(self, key: str) -> "Node | None":
        """The node of a key; None where this is no mapping, or has no such key."""
        return self.value.get(key) if isinstance(self.value, dict) else None


def parse(text: str, name: str) -> tuple[Any, Marks]:
    """The document's data, and where every key and item of it stands; raises PolicyRefused."""
    return flattened(read(text, name))


def read(text: str, name: str) -> Node:
    """The document as nodes; raises PolicyRefused where it is no YAML."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        return Reader(name, loader).node(root) if root is not None else Node(None, Mark(name, 1, 1))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise PolicyRefused(f"{where}: not YAML: {shown(str(error.problem or error.context))}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PolicyRefused(f"{name}: not YAML: {type(error).__name__}") from error


class Reader:
    """Turns what the YAML library composed into nodes."""

    def __init__(self, name: str, loader: yaml.SafeLoader) -> None:
        self._name = name
        self._loader = loader
        self._left = MOST_NODES

    def node(self, found: yaml.Node, mark: Mark | None = None, depth: int = 0) -> Node:
        """One node and all under it; `mark` is its key's where it has one."""
        mark = mark or self.mark(found)
        self._left -= 1
        if self._left < 0 or depth > DEEPEST:
            raise PolicyRefused(f"{mark}: more values than a policy has, or deeper; do not nest aliases")
        if isinstance(found, yaml.SequenceNode):
            return Node([self.node(item, None, depth + 1) for item in found.value], mark)
        if isinstance(found, yaml.MappingNode):
            return Node(self.entries(found, depth), mark)
        return Node(whole(self._loader.construct_object(found), mark), mark)

    def entries(self, found: yaml.MappingNode, depth: int) -> dict[str, Node]:
        """The entries of a mapping, each marked where its key stands."""
        seen = set()
        for key, _ in found.value:
            if not isinstance(key, yaml.ScalarNode):
                raise PolicyRefused(f"{self.mark(key)}: a key must be a word")
            if key.value in seen and key.value != "<<":
                raise PolicyRefused(f"{self.mark(key)}: {shown(key.value)!r} stands twice; keep one")
            seen.add(key.value)
        self._loader.flatten_mapping(found)  # what `<<` stands for comes first, so that own keys win
        entries = {}
        for key, value in found.value:
            entries[whole(str(key.value), self.mark(key))] = self.node(value, self.mark(key), depth + 1)
        return entries

    def mark(self, found: yaml.Node) -> Mark:
        """Where a node of the library's begins."""
        return Mark(self._name, found.start_mark.line + 1, found.start_mark.column + 1)


def whole(value: Any, mark: Mark) -> Any:
    """A scalar; raises PolicyRefused for a text with half a character in it, which no file or hash can hold."""
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= each <= "\udfff" for each in value):
        raise PolicyRefused(f"{mark}: a surrogate stands alone here; write the whole character")
    return value


def flattened(root: Node) -> tuple[Any, Marks]:
    """Plain data, and where each part of it stands."""
    marks: dict[Place, Mark] = {}

    def plain(node: Node, place: Place) -> Any:
        marks[place] = node.mark
        if isinstance(node.value, dict):
            return {key: plain(value, (*place, key)) for key, value in node.value.items()}
        if isinstance(node.value, list):
            return [plain(item, (*place, index)) for index, item in enumerate(node.value)]
        return node.value

    return plain(root, ()), marks


def mark_of(place: Place, marks: Marks) -> Mark | None:
    """Where a place stands, or the nearest thing around it that is in the document."""
    for size in range(len(place), -1, -1):
        if place[:size] in marks:
            return marks[place[:size]]
    return None
