"""The exfiltration guard: pictures and links by which what was read is carried to somebody else's server.

A picture is fetched as soon as it is shown, so it may only come from hosts that the policy names. A link waits for a
click, so it is found when it carries something, or does more than lead to a page.
"""

import re
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Literal

from pydantic import field_validator

from guards.detectors.hosts import Address, address_of, checked_hosts, is_internal, named
from guards.detectors.links import Link, links_in
from guards.detectors.payload import GRAM, Payload, payloads
from guards.detectors.runs import Origin
from guards.kinds import Reach
from guards.policy.strict import Strict
from guards.text.view import View
from guards.verdict import Context, Segment, Span, Verdict, Where

HAZARD = "G.exfiltration"
SUSPECT = re.compile(
    r"[:/\\][/\\]|\]\s?[(:\[]|(?i:www\.|mailto:|javascript:|data:|url\(|href|src)|[\x1b\x9b]"
)
# What a terminal obeys instead of showing it.
TERMINAL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-_]?)|\x9b[0-?]*[ -/]*[@-~]?"
)
ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
SIGNS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
RUNS_CODE = re.compile(r"(?i)(?:javascript|vbscript|livescript)\b|data:(?!image/(?!svg)|audio/|video/|font/)")
TRUSTED = frozenset({"user", "system", "developer"})
SHORT_REQUEST = 200  # characters: so little that a user asks is no data to be carried away
HOST_SEEN = 96  # characters of an address after which its host counts as known on a stream
PICTURE, PICTURE_WITH_DATA, RUNS, FILE, NUMBERED = 0.8, 0.97, 0.95, 0.9, 0.6


class ExfiltrationConfig(Strict):
    """Whom pictures and links may lead to."""

    hosts: tuple[str, ...] = ()  # anything may lead there: example.com, *.example.com, *
    image_hosts: tuple[str, ...] = ()  # pictures may come from there, too
    images: Literal["hosts", "data"] = "hosts"  # those of other hosts are found: all, or such as carry data
    links: Literal["data", "hosts", "off"] = "data"  # those to other hosts: such as carry data, all, none
    code: Literal["plain", "strict"] = (
        "plain"  # in fenced code nothing is fetched, or it counts like the rest
    )
    terminal: bool = True  # whether escape sequences are found

    @field_validator("hosts", "image_hosts")
    @classmethod
    def plain(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        """The hosts in the spelling in which they are compared."""
        return checked_hosts(hosts)


class Exfiltration:
    """The kind `exfiltration`."""

    config = ExfiltrationConfig

    def hazards(self, config: ExfiltrationConfig, where: Where) -> frozenset[str]:
        """Data carried away."""
        return frozenset({HAZARD})

    def located(self, config: ExfiltrationConfig) -> frozenset[str]:
        """All: an address has its place."""
        return frozenset({HAZARD})

    def reach(self, config: ExfiltrationConfig, hazards: frozenset[str]) -> Reach:
        """An address up to its host; of a link, what it carries."""
        return Reach(HOST_SEEN, "an address")

    def revision(self, config: ExfiltrationConfig) -> str:
        """Nothing beside the document decides."""
        return "1"

    def build(self, name: str, config: ExfiltrationConfig) -> "ExfiltrationGuard":
        """The guard."""
        return ExfiltrationGuard(name, config)


class Known:
    """What the conversation holds, found out when an address asks for it."""

    def __init__(self, context: Context) -> None:
        self._turns = context.turns

    @cached_property
    def origins(self) -> tuple[Origin, ...]:
        """The texts that must not travel; a short request of the user is no secret."""
        asked = max((place for place, (role, _) in enumerate(self._turns) if role == "user"), default=-1)
        return tuple(
            Origin(text, GRAM)
            for place, (role, text) in enumerate(self._turns)
            if role != "assistant" and not (place == asked and len(text) < SHORT_REQUEST)
        )

    @cached_property
    def everywhere(self) -> frozenset[str]:
        """The addresses that are no news."""
        return addresses_in(text for _, text in self._turns)

    @cached_property
    def trusted(self) -> frozenset[str]:
        """Those that users and operators wrote."""
        return addresses_in(text for role, text in self._turns if role in TRUSTED)


def suspect(text: str) -> bool:
    """Whether a text can hold an address at all; other letters than ASCII's may be read as its signs."""
    return not text.isascii() or SUSPECT.search(text) is not None


class ExfiltrationGuard:
    """Finds addresses that carry something away, as a reader's program would understand them."""

    def __init__(self, name: str, config: ExfiltrationConfig) -> None:
        self.name = name
        self.config = config

    async def check(self, segment: Segment, context: Context) -> Verdict:
        """The verdict on a segment, in the light of the conversation."""
        return self.check_now(segment, context)

    def reads(self, segment: Segment, context: Context) -> tuple[str, ...]:
        """The segment's own; where there is an address in it, the whole conversation."""
        if not suspect(segment.text):
            return (segment.text,)
        return (
            segment.text,
            "whole" if segment.whole else "piece",
            *(text for turn in context.turns for text in turn),
        )

    def weighs(self, segment: Segment, context: Context) -> int:
        """The segment's length, and the conversation's where that is read."""
        size = len(segment.text)
        return size + sum(len(text) for _, text in context.turns) if suspect(segment.text) else size

    def check_now(self, segment: Segment, context: Context) -> Verdict:
        """The verdict, computed here and now."""
        started = time.perf_counter()
        scores: dict[str, float] = {}
        spans: list[Span] = []
        if suspect(segment.text):
            for found, probability in self.found(segment, context):
                spans.append(found)
                scores[HAZARD] = max(scores.get(HAZARD, 0.0), probability)
        return Verdict(self.name, scores, tuple(spans), time.perf_counter() - started)

    def found(self, segment: Segment, context: Context) -> Iterator[tuple[Span, float]]:
        """Every place by which something leaves, and how sure that is."""
        raw, view = views_of(segment, context)
        if self.config.terminal:
            for escape in TERMINAL.finditer(raw.text):
                yield Span(*raw.locate(*escape.span()), HAZARD, "terminal escape", raw.path), RUNS
        links = links_in(view.text, in_code=self.config.code == "strict")
        if not links:
            return
        known = Known(context)
        rendered = segment.part != "tool_arguments"
        for link in links:
            if not segment.whole and link.end == len(view.text) and is_cut_short(link):
                continue
            context.work.go_on()
            for payload in self.carried(link, known, passive=link.passive and rendered):
                place = view.locate(link.start + payload.start, link.start + payload.end)
                yield Span(*place, HAZARD, payload.label, view.path), payload.probability

    def carried(self, link: Link, known: Known, *, passive: bool) -> list[Payload]:
        """What a link does that it should not: the whole of it, or the parts of it that carry something."""
        url = link.url.strip()
        everything = (0, len(link.url))
        if RUNS_CODE.match(url):
            return [Payload(*everything, RUNS, "link that runs code")]
        address = address_of("//" + url if url[:4].lower() == "www." else url)
        if not address.host or named(address.host, self.config.hosts):
            return []
        if address.scheme not in {"", "http", "https", "ftp", "ws", "wss", "mailto"}:
            return [Payload(*everything, FILE, "link to another machine's files")]
        data = list(payloads(link.url, lambda: known.origins))
        if passive:
            return self.fetched(link.url, address, data, known)
        return self.followed(link.url, address, data, known)

    def fetched(self, url: str, address: Address, data: list[Payload], known: Known) -> list[Payload]:
        """What is wrong with a picture, or whatever else is fetched unasked."""
        if named(address.host, self.config.image_hosts) or url in known.trusted:
            return []
        if data:
            return [Payload(0, len(url), PICTURE_WITH_DATA, "picture that carries data")]
        return (
            [Payload(0, len(url), PICTURE, "picture from elsewhere")] if self.config.images == "hosts" else []
        )

    def followed(self, url: str, address: Address, data: list[Payload], known: Known) -> list[Payload]:
        """What is wrong with a link that waits for a click; one that was there before carries nothing new."""
        if self.config.links == "off":
            return []
        if self.config.links == "hosts":
            data = [Payload(0, len(url), PICTURE, "link to elsewhere")]
        elif address.numeric and not is_internal(address.host):
            data.append(Payload(0, len(url), NUMBERED, "link to a number"))
        return [] if data and url in known.everywhere else data


def views_of(segment: Segment, context: Context) -> tuple[View, View]:
    """The text as a program gets it, and as its reader sees it; arguments with their JSON escapes undone."""
    shown = context.work.views(segment.text)
    raw = shown[0]
    view = next((one for one in shown if one.path == "raw>visible"), raw)
    if segment.part != "tool_arguments" or "\\" not in segment.text:
        return raw, view
    return unescaped(raw), unescaped(view)


def unescaped(view: View) -> View:
    """The view with what JSON's backslashes stand for."""
    pieces: list[str] = []
    chosen: list[int] = []
    position = 0
    for found in ESCAPED.finditer(view.text):
        code, sign = found.groups()
        pieces += (view.text[position : found.start()], chr(int(code, 16)) if code else SIGNS.get(sign, sign))
        chosen.extend(range(position, found.start() + 1))
        position = found.end()
    pieces.append(view.text[position:])
    chosen.extend(range(position, len(view.text)))
    return view.then("json", "".join(pieces), chosen)


def is_cut_short(link: Link) -> bool:
    """Whether the end of a piece may have cut an address before its host was told."""
    return len(link.url) < HOST_SEEN and not re.search(r"[^/\\:][/\\?#]", link.url)


def addresses_in(texts: Iterable[str]) -> frozenset[str]:
    """Every address that stands in these texts, in JSON too."""
    found = set()
    for text in texts:
        found |= {link.url for link in links_in(text)}
        if "\\/" in text:
            found |= {link.url for link in links_in(text.replace("\\/", "/"))}
    return frozenset(found)
