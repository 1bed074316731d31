"""Every address in a text that a reader's program may follow: Markdown, HTML, CSS, and addresses as they stand. Pure.

A passive one is fetched as soon as the text is shown (a picture, a style sheet); any other waits for a click.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

BRACKETS = re.compile(r"!?\[|\]")
TARGET = re.compile(r"\(\s{0,20}(?:<([^<>\n]{0,4000})>?|([^\s<>()]*(?:\([^\s<>()]{0,200}\)[^\s<>()]*)*))")
LABEL = re.compile(r"\s?\[([^\[\]\n]{0,200})\]")
DEFINITION = re.compile(r"(?m)^[ >]{0,9}\[([^\[\]\n]{1,200})\]:[ \t]{0,20}\n?[ \t]{0,20}<?([^\s<>]{1,8000})")
BARE = re.compile(r"(?i)\b(?:(?:https?|ftp|wss?):[/\\]|mailto:|www\.)[^\s<>\"'`]*")
TRAILING = ".,;:!?)]}*_~|"
ATTRIBUTE = re.compile(
    r"(?i)(?<![\w:-])(src|srcset|href|xlink:href|data|poster|background|action|formaction|ping|content|style)"
    r"\s{0,10}=\s{0,10}(?:\"([^\"]{0,8000})|'([^']{0,8000})|([^\s\"'<>]{1,8000}))"
)
TAG = re.compile(r"<\s{0,3}([a-zA-Z][a-zA-Z0-9:-]{0,20})")
LONGEST_TAG = 9000
CSS = re.compile(r"(?i)(?:\burl\(\s{0,10}[\"']?|@import\s{1,10}[\"'])([^\"')\s]{1,8000})")
IN_VALUE = re.compile(r"(?i)(?:[a-z][a-z0-9+.-]{0,20}:|[/\\]{2})[^\s,;\"']+")
FENCE = re.compile(r"(?m)^ {0,3}(`{3,}|~{3,})([^\n]*)$")
FETCHED = frozenset({"src", "srcset", "poster", "background", "data", "ping", "style"})
FETCHING_TAGS = frozenset({"link", "base", "image", "use", "meta"})
MANY = frozenset({"srcset", "content", "style", "ping"})  # whose value holds addresses among other things


@dataclass(frozen=True, slots=True)
class Link:
    """Characters [start, end) that are an address; one that is passive is fetched without anybody's doing."""

    start: int
    end: int
    url: str
    passive: bool = False


def links_in(text: str, *, in_code: bool = False) -> list[Link]:
    """Every address, in order; in fenced code none is passive, unless `in_code` says that it counts like the rest."""
    found: dict[int, Link] = {}
    for link in (*markdown(text), *html(text), *css(text), *bare(text)):
        known = found.get(link.start)
        if known is None or (link.passive and not known.passive):
            found[link.start] = link
    fences = [] if in_code else list(fenced(text))
    return [demoted(found[start], fences) for start in sorted(found)]


def demoted(link: Link, fences: list[tuple[int, int]]) -> Link:
    """The link, which nothing fetches where it stands in code."""
    inside = link.passive and any(start <= link.start < end for start, end in fences)
    return Link(link.start, link.end, link.url) if inside else link


def markdown(text: str) -> Iterator[Link]:
    """Inline links and pictures, and those by reference."""
    opened: list[tuple[bool, int]] = []  # of each bracket, whether a picture's, and where its label begins
    pictures: set[str] = set()
    for bracket in BRACKETS.finditer(text):
        if bracket.group() != "]":
            opened.append((bracket.group()[0] == "!", bracket.end()))
            continue
        # What was opened before the text begins may be a picture.
        picture, start = opened.pop() if opened else (True, max(0, bracket.start() - 200))
        if target := TARGET.match(text, bracket.end()):
            group = 1 if target.group(1) is not None else 2
            if url := target.group(group):
                yield Link(target.start(group), target.end(group), url, picture)
        elif picture:
            label = LABEL.match(text, bracket.end())
            pictures.add(plain_label((label and label.group(1)) or text[start : bracket.start()][:200]))
    for definition in DEFINITION.finditer(text):
        passive = plain_label(definition.group(1)) in pictures
        yield Link(definition.start(2), definition.end(2), definition.group(2), passive)


def plain_label(label: str) -> str:
    """A reference's label as labels are compared."""
    return " ".join(label.casefold().split())


def html(text: str) -> Iterator[Link]:
    """The addresses in attributes of tags."""
    for attribute in ATTRIBUTE.finditer(text):
        opening = text.rfind("<", max(0, attribute.start() - LONGEST_TAG), attribute.start())
        tag = TAG.match(text, opening) if opening >= 0 else None
        if tag is None:
            continue
        name = attribute.group(1).lower()
        passive = name in FETCHED or tag.group(1).lower() in FETCHING_TAGS
        group = next(number for number in (2, 3, 4) if attribute.group(number) is not None)
        start, value = attribute.start(group), attribute.group(group)
        if name not in MANY:
            yield Link(start, start + len(value), value, passive)
            continue
        for url in IN_VALUE.finditer(value):
            yield Link(start + url.start(), start + url.end(), url.group(), passive)


def css(text: str) -> Iterator[Link]:
    """What a style sheet fetches."""
    for found in CSS.finditer(text):
        yield Link(found.start(1), found.end(1), found.group(1), passive=True)


def bare(text: str) -> Iterator[Link]:
    """Addresses that stand in the text as they are, without the sentence's own signs after them."""
    for found in BARE.finditer(text):
        url = found.group().rstrip(TRAILING)
        if "](" in url:  # the label of a link, and its target after it
            url = url.partition("](")[0]
        yield Link(found.start(), found.start() + len(url), url)


def fenced(text: str) -> Iterator[tuple[int, int]]:
    """Blocks of code between fences, as CommonMark has them; one after a line of HTML belongs to the HTML."""
    fence, since = "", 0
    for line in FENCE.finditer(text):
        marks, rest = line.groups()
        if not fence:
            before = text[
                text.rfind("\n", max(0, line.start() - 500), max(0, line.start() - 1)) + 1 : line.start()
            ]
            if not (before.lstrip().startswith("<") or (marks[0] == "`" and "`" in rest)):
                fence, since = marks, line.end()
        elif marks[0] == fence[0] and len(marks) >= len(fence) and not rest.strip():
            yield since, line.start()
            fence = ""
    if fence:
        yield since, len(text)
