"""HTML as a model reads it past its tags: the text without them, and alone what a reader of the page never sees."""

import re
from array import array
from collections.abc import Iterator

from guards.text.view import View

OPENING = re.compile(r"<(?:!--|[a-zA-Z/!][^<>]{0,2000}>)")
SPOKEN = re.compile(
    r"(?i)\b(?:alt|title|aria-label|aria-description|content|placeholder|data-[a-z-]{1,30})\s{0,5}=\s{0,5}"
    r"(?:\"([^\"<>]{8,2000})\"|'([^'<>]{8,2000})')"
)
UNSEEN = re.compile(
    r"(?i)\bdisplay\s{0,3}:\s{0,3}none|\bvisibility\s{0,3}:\s{0,3}hidden|\bfont-size\s{0,3}:\s{0,3}0(?![.\d]*[1-9])"
    r"|\bopacity\s{0,3}:\s{0,3}0(?![.\d]*[1-9])|[\s\"']hidden(?=[\s=>/])|\bcolor\s{0,3}:\s{0,3}(?:white\b|#fff\b|#ffffff\b)"
    r"|\b(?:left|top|text-indent)\s{0,3}:\s{0,3}-\d{3}"
)
LONGEST_UNSEEN = 4000  # characters of one element
FEWEST_WORDS = 3

Place = tuple[int, int]


def unmarked(view: View) -> list[View]:
    """The view without its tags, and what stands in comments, in attributes that describe, and in hidden elements."""
    if not OPENING.search(view.text):
        return []
    shown: list[Place] = []
    unseen: list[Place] = []
    position = 0
    for start, end, tag in tags(view.text):
        shown.append((position, start))
        position = end
        done = unseen[-1][1] if unseen else 0
        unseen += [place for place in unseen_in(view.text, start, end, tag) if place[0] >= done]
    shown.append((position, len(view.text)))
    told = [place for place in unseen if len(view.text[slice(*place)].split()) >= FEWEST_WORDS]
    return [cut(view, "unmarked", shown, ""), *([cut(view, "unseen", told, "\n")] if told else [])]


def tags(text: str) -> Iterator[tuple[int, int, str]]:
    """Every tag and comment: where it begins and ends, and the tag itself, of a comment what closes it."""
    position = 0
    while found := OPENING.search(text, position):
        start, position = found.span()
        if found.group() != "<!--":
            yield start, position, found.group()
            continue
        end = text.find("-->", position)
        position = len(text) if end < 0 else end + 3
        yield start, position, "-->" if end >= 0 else ""


def unseen_in(text: str, start: int, end: int, tag: str) -> Iterator[Place]:
    """What a tag or comment at this place tells that no reader of the page sees."""
    if tag in {"-->", ""}:
        yield start + 4, max(start + 4, end - len(tag))
        return
    for value in SPOKEN.finditer(tag):
        group = 1 if value.group(1) is not None else 2
        yield start + value.start(group), start + value.end(group)
    if tag[1] not in "/!" and UNSEEN.search(tag):
        closing = text.find("</", end, end + LONGEST_UNSEEN)
        yield end, min(len(text), end + LONGEST_UNSEEN) if closing < 0 else closing


def cut(view: View, step: str, places: list[Place], between: str) -> View:
    """The view's text at these places, one after the other."""
    pieces: list[str] = []
    chosen = array("q")
    for start, end in places:
        if pieces and between:
            pieces.append(between)
            chosen.append(start)
        pieces.append(view.text[start:end])
        chosen.extend(range(start, end))
    return view.then(step, "".join(pieces), chosen)
