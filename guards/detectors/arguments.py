"""The arguments of a tool call as a program would read them, and checks of the texts among them by name. Pure."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from guards.detectors.hosts import address_of, ip_of, is_internal

LABEL_NO_JSON = "arguments that are no JSON"
URL = re.compile(r"(?i)(?:\b[a-z][a-z0-9+.-]{1,20}:|(?<![\w:/\\]))[/\\]{2}[^\s\"'<>]+")
SHELL = re.compile(r"[;&|`<>\n\r\0]|\$[({A-Za-z_]")
SQL = re.compile(
    r"(?i)--|/\*|;\s*\w|\bunion\s+(?:all\s+)?select\b|\b(?:drop|truncate|alter)\s+(?:table|database)\b"
    r"|['\"]\s*(?:or|and)\b[^=<>]{0,40}(?:=|<|>|\blike\b)"
)
ABSOLUTE = re.compile(r"[/\\~]|[A-Za-z]:[/\\]|(?i:file:)")
SEPARATORS = re.compile(r"[/\\]")


class NoJson(ValueError):
    """The arguments cannot be read, or not by every program in the same way."""


def read_arguments(text: str) -> Any:
    """The arguments; NoJson also where a name stands twice, of which programs take one or the other."""
    try:
        return json.loads(text, object_pairs_hook=once_each, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise NoJson from error


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NoJson
    return found


def no_number(_word: str) -> None:
    """NaN and infinities, which JSON does not have."""
    raise NoJson


def strings_in(value: Any) -> Iterator[str]:
    """Every text in the arguments, names among them."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            yield from one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def urls_in(text: str) -> list[str]:
    """The addresses in a text that name their scheme, or begin with two slashes."""
    return URL.findall(text)


def decoded(text: str) -> str:
    """The text as a server would see it after percent signs were read, twice at most."""
    return unicodedata.normalize("NFKC", unquote(unquote(text)))


def leaves_folder(text: str) -> bool:
    """A path that goes up: `..` between separators, in plain or percent-coded; or a null byte."""
    plain = decoded(text)
    return "\0" in plain or ".." in SEPARATORS.split(plain)


def is_absolute(text: str) -> bool:
    """A path from the root, a home or a drive."""
    return ABSOLUTE.match(decoded(text).lstrip()) is not None


def names_internal_host(text: str) -> bool:
    """An address, or a bare number of a host, inside of the network."""
    hosts = [address_of(url).host for url in urls_in(text)]
    if ip_of(text.strip()) is not None and not text.strip().isdigit():
        hosts.append(text.strip())
    return any(map(is_internal, hosts))


CHECKS: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "parent_path": ("path out of its folder", leaves_folder),
    "absolute_path": ("absolute path", is_absolute),
    "shell": ("shell character", lambda text: SHELL.search(text) is not None),
    "sql": ("SQL beyond a value", lambda text: SQL.search(text) is not None),
    "url": ("address", lambda text: bool(urls_in(text))),
    "internal_host": ("host inside of the network", names_internal_host),
}


def place_of(value: str, text: str) -> tuple[int, int]:
    """Where a value stands in the arguments' text; all of it where it is spelled in an unusual way."""
    for ascii_only in (False, True):
        spelled = json.dumps(value, ensure_ascii=ascii_only)
        start = text.find(spelled)
        if start >= 0:
            return start + 1, start + len(spelled) - 1
    return 0, len(text)
