"""Text in places where no one meant to write any: all strings of a JSON value, and the names that it uses.

Engines write a tool's whole definition into the prompt, and a template may show any field of a message. Names
cannot be put back redacted, so they come together, as one text that is fixed.
"""

import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import BadRequest

Path = tuple[str | int, ...]
DEEPEST = 64
# JSON Schema's own words, and OpenAI's: whoever uses these says nothing.
KNOWN_NAMES = frozenset(
    {
        *(
            "type",
            "function",
            "name",
            "description",
            "parameters",
            "strict",
            "properties",
            "required",
            "items",
        ),
        *(
            "enum",
            "const",
            "default",
            "title",
            "format",
            "pattern",
            "examples",
            "additionalProperties",
            "$ref",
        ),
        *("anyOf", "oneOf", "allOf", "not", "if", "then", "else", "$defs", "definitions", "$schema", "$id"),
        *(
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "minLength",
            "maxLength",
        ),
        *(
            "minItems",
            "maxItems",
            "uniqueItems",
            "minProperties",
            "maxProperties",
            "patternProperties",
            "nullable",
        ),
        *(
            "json_schema",
            "schema",
            "content",
            "text",
            "custom",
            "grammar",
            "syntax",
            "definition",
            "allowed_tools",
        ),
        *("mode", "tools", "json", "regex", "choice", "id", "tool_call_id", "cache_control", "annotations"),
        *("detail", "filename", "file_id", "uuid"),
    }
)
KNOWN_WORDS = frozenset(
    {
        *("string", "number", "integer", "boolean", "object", "array", "null", "function", "custom", "text"),
        *("json_object", "json_schema", "content", "grammar", "lark", "regex", "allowed_tools", "ephemeral"),
        *("auto", "none", "required", "default", "minimal", "low", "medium", "high", "xhigh"),
        *("wav", "mp3", "mp4", "aac", "flac", "opus", "ogg", "webm", "pcm16"),
        *mimetypes.types_map.values(),
        *("image/webp", "image/avif", "audio/wav", "audio/webm", "audio/flac", "video/x-matroska"),
        *("date", "time", "date-time", "email", "uri", "uuid", "ipv4", "ipv6", "hostname", "duration"),
    }
)


@dataclass(frozen=True, slots=True)
class Stray:
    """A text and where it stands; a fixed one is made of names and cannot be replaced."""

    path: Path
    text: str
    fixed: bool = False


def stray_texts(value: Any, path: Path) -> Iterator[Stray]:
    """Every string in a value, then its names together; raises BadRequest where it is nested beyond reason."""
    names: dict[str, None] = {}
    yield from _strings(value, path, names, DEEPEST)
    if names:
        yield Stray(path, "\n".join(names), fixed=True)


def _strings(value: Any, path: Path, names: dict[str, None], deeper: int) -> Iterator[Stray]:
    if isinstance(value, str):
        if value and value not in KNOWN_WORDS:
            yield Stray(path, value)
    elif isinstance(value, Mapping | list) and not deeper:
        raise BadRequest("this is nested too deeply to be read", param=".".join(map(str, path[:2])))
    elif isinstance(value, Mapping):
        names.update(dict.fromkeys(name for name in value if name not in KNOWN_NAMES))
        for name, each in value.items():
            yield from _strings(each, (*path, name), names, deeper - 1)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _strings(each, (*path, index), names, deeper - 1)
