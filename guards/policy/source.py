"""YAML with its line numbers kept, so that a refused policy says where; a repeated key is refused."""

from collections.abc import Hashable
from typing import Any

import yaml

from guards.verdict import PolicyRefused

Place = tuple[str | int, ...]
Lines = dict[Place, int]


def parse(text: str, name: str) -> tuple[Any, Lines]:
    """The document's data, and the 1-based line of every key and item in it."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: Lines = {}
        if node is not None:
            note_lines(node, (), lines, name)
        return yaml.safe_load(text), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise PolicyRefused(f"{where}: not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PolicyRefused(f"{name}: not YAML: {type(error).__name__}") from error


def note_lines(node: yaml.Node, place: Place, lines: Lines, name: str) -> None:
    """Fills `lines` for the node and everything under it."""
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            note_lines(item, (*place, index), lines, name)
    elif isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen and key.value != "<<":
                raise PolicyRefused(f"{name}:{line}: {key.value!r} stands twice; keep one")
            seen.add(key.value)
            lines[(*place, str(key.value))] = line
            note_lines(value, (*place, str(key.value)), lines, name)


def line_of(place: Place, lines: Lines) -> int | None:
    """The line of a place, or of the nearest thing around it that is in the document."""
    for size in range(len(place), -1, -1):
        if place[:size] in lines:
            return lines[place[:size]]
    return None
