"""Whom an address leads to, read as browsers read it, and whether an operator has named that host. Pure."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,30}:")
SPECIAL = frozenset({"", "http", "https", "ftp", "ws", "wss"})  # those whose slashes browsers do not count
DROPPED = {ord(char): None for char in "\t\n\r"}  # browsers read an address as if these were not there
DOTS = {ord(char): "." for char in "\u3002\uff0e\uff61"}
NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
PORT = re.compile(r":[0-9]*$")
INTERNAL = ("localhost", ".localhost", ".local", ".internal", ".intranet", ".lan", ".home.arpa")
HOST_PATTERN = re.compile(r"\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[?[0-9a-f:.]+\]?")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a link leads: `rest` is path, query and fragment; a scheme without hosts has all of it there."""

    scheme: str
    host: str
    rest: str
    credentials: bool = False  # whether a name and perhaps a password stand before the host

    @property
    def numeric(self) -> bool:
        """Whether the host is given by its number, in any spelling."""
        return ip_of(self.host) is not None


def address_of(url: str) -> Address:
    """An address taken apart; one without scheme and host, as within a site, has an empty host."""
    clean = url.strip("".join(map(chr, range(33)))).translate(DROPPED)
    found = SCHEME.match(clean)
    scheme = found.group()[:-1].lower() if found else ""
    rest = clean[found.end() :] if found else clean
    if scheme not in SPECIAL:
        return of_other_scheme(scheme, rest)
    slashed = rest.replace("\\", "/")
    bare = slashed.lstrip("/")
    if not found and len(slashed) - len(bare) < 2:
        return Address("", "", rest)
    end = min((place for mark in "/?#" if (place := bare.find(mark)) >= 0), default=len(bare))
    authority, at, host = bare[:end].rpartition("@")
    return Address(scheme, plain_host(host), rest[len(rest) - len(bare) + end :], bool(at and authority))


def of_other_scheme(scheme: str, rest: str) -> Address:
    """An address that is no web page's: mail goes to a domain, files may lie on another machine."""
    if scheme == "mailto":
        return Address(scheme, plain_host(rest.partition("?")[0].rpartition("@")[2]), rest)
    if rest.startswith("//"):
        authority, _, path = rest[2:].partition("/")
        return Address(scheme, plain_host(authority.rpartition("@")[2]), "/" + path)
    return Address(scheme, "", rest)


@lru_cache(maxsize=4096)
def plain_host(host: str) -> str:
    """A host in the one spelling that all of its spellings come to; as it stands where it is none."""
    name = unquote(PORT.sub("", host)).translate(DOTS).lower().rstrip(".")
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


@lru_cache(maxsize=4096)
def ip_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The number that a host is, also written as browsers take it: 0x7f.1, 2130706433."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        pass
    parts = host.split(".")
    if len(parts) > 4 or not all(NUMBER.fullmatch(part) and len(part) < 20 for part in parts):
        return None
    numbers = [number_in(part) for part in parts]
    value = numbers[-1] + sum(number << 8 * (3 - place) for place, number in enumerate(numbers[:-1]))
    return ipaddress.IPv4Address(value) if value < 1 << 32 else None


def number_in(part: str) -> int:
    """A number as hosts have it: 0x for sixteen, a leading 0 for eight."""
    try:
        if part[:2].lower() == "0x":
            return int(part[2:] or "0", 16)
        return int(part, 8) if part[0] == "0" else int(part)
    except ValueError:
        return int(part)


def is_internal(host: str) -> bool:
    """Whether a host is no public one: this machine, a private network, a cloud's metadata."""
    number = ip_of(host)
    if number is not None:
        mapped = getattr(number, "ipv4_mapped", None)
        return not (mapped or number).is_global
    return host.endswith(INTERNAL) or "." not in host


def named(host: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns names the host: itself, `*.` and a domain for whatever is under it, `*` for all."""
    return any(
        pattern in {"*", host} or (pattern.startswith("*.") and host.endswith(pattern[1:]))
        for pattern in patterns
    )


def checked_hosts(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns in the spelling in which hosts are compared; ValueError where one is none."""
    plain = tuple(f"*.{plain_host(one[2:])}" if one[:2] == "*." else plain_host(one) for one in patterns)
    for pattern, told in zip(plain, patterns, strict=True):
        if not HOST_PATTERN.fullmatch(pattern):
            raise ValueError(
                f"{told!r} is no host: write one as example.com, or *.example.com for all under it"
            )
    return plain
