"""Whether an address carries data away: encoded text, a token drawn by chance, or words of the conversation. Pure."""

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

from guards.detectors.runs import Origin, squeezed

AFTER_HOST = re.compile(r"^[^/?#\\]*[:/\\]*[^/?#\\]*")
PIECE = re.compile(r"[^/?#&=;,\\]+")
HASH = re.compile(
    r"(?i)(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
HEX = re.compile(r"(?:[0-9a-fA-F]{2}){10,}")
LABEL_OF_HOST = re.compile(r"[^./:@\\]+")
GRAM = 12
Origins = Callable[[], Sequence[Origin]]
COPIED_PATH, COPIED_QUERY = 40, 20  # letters and digits from the conversation that are no chance there
LEAST_RANDOM, LEAST_ENTROPY = 32, 3.8  # characters, bits a character
LEAST_LABEL = 24
COPIED, ENCODED, RANDOM = 0.95, 0.9, 0.65


@dataclass(frozen=True, slots=True)
class Payload:
    """Characters [start, end) of an address that carry something, and how sure that is."""

    start: int
    end: int
    probability: float
    label: str


def payloads(url: str, origins: Origins) -> Iterator[Payload]:
    """What an address carries; `origins` gives the texts that must not travel in it, asked for when one might."""
    found = AFTER_HOST.match(url)
    after = found.end() if found else 0
    for label in LABEL_OF_HOST.finditer(url, 0, after):
        if len(label.group()) >= LEAST_LABEL:
            yield from judged(label, origins, COPIED_QUERY, LEAST_LABEL)
    query = min((place for mark in "?#" if (place := url.find(mark, after)) >= 0), default=len(url))
    for piece in PIECE.finditer(url, after):
        in_path = piece.start() < query
        yield from judged(piece, origins, COPIED_PATH if in_path else COPIED_QUERY, LEAST_RANDOM)


def judged(piece: re.Match[str], origins: Origins, copied: int, random: int) -> Iterator[Payload]:
    """What one piece of an address carries, if anything."""
    said = unquote_plus(piece.group())
    clear = decoded(said)
    if has_from(origins, said, copied) or has_from(origins, clear, COPIED_QUERY):
        yield Payload(*piece.span(), COPIED, "text of the conversation in a link")
    elif clear:
        yield Payload(*piece.span(), ENCODED, "encoded text in a link")
    elif looks_drawn(said, random):
        yield Payload(*piece.span(), RANDOM, "unreadable data in a link")


def has_from(origins: Origins, text: str, least: int) -> bool:
    """Whether a text has at least so many letters and digits in a row from an origin."""
    plain = squeezed(text).text if len(text) >= least else ""
    if len(plain) < least:
        return False
    return any(run.end - run.start >= least for origin in origins() for run in origin.runs(plain))


def decoded(said: str) -> str:
    """What base64 or hexadecimal digits spell, where it is text; else nothing."""
    try:
        if HEX.fullmatch(said):
            raw = bytes.fromhex(said)
        elif BASE64.fullmatch(said):
            plain = said.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
            raw = base64.b64decode(plain + "=" * (-len(plain) % 4))
        else:
            return ""
    except (ValueError, binascii.Error):
        return ""
    text = raw.decode("utf-8", "replace")
    return text if len(text) >= 10 and readable(text) else ""


def readable(text: str) -> bool:
    """Whether nearly all of it can be printed, and most are letters, digits or spaces."""
    printable = sum(char.isprintable() or char in "\n\r\t" for char in text)
    plain = sum(char.isalnum() or char.isspace() for char in text)
    return "\ufffd" not in text and printable >= 0.95 * len(text) and plain >= 0.7 * len(text)


def looks_drawn(said: str, least: int) -> bool:
    """Whether a piece is long and as various as chance makes it; hashes and UUIDs are names, not messages."""
    if len(said) < least or HASH.fullmatch(said) or not any(map(str.isdigit, said)):
        return False
    if "-" in said and all(word.isalpha() or word.isdigit() for word in said.split("-") if word):
        return False  # words, as the titles of pages are put
    return entropy(said) >= LEAST_ENTROPY


def entropy(text: str) -> float:
    """Bits a character."""
    size = len(text)
    return -sum(count / size * math.log2(count / size) for count in Counter(text).values())
