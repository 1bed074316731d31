"""Encoded passages read in clear: base64, hex, URL escapes; rot13 and reversal where that yields words."""

import base64
import binascii
import codecs
import re
from array import array
from collections.abc import Iterable, Iterator
from string import ascii_lowercase
from urllib.parse import unquote

from guards.text.sieve import Sieve
from guards.text.view import View

BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
HEX = re.compile(r"(?:0x|\\x)?[0-9a-fA-F]{2}(?:[ :,]{0,2}(?:0x|\\x)?[0-9a-fA-F]{2}){7,}")
HEX_PAIR = re.compile(r"(?:0x|\\x)?([0-9a-fA-F]{2})")
PASSAGES_SIEVE = Sieve(r"[A-Za-z0-9+/_-]{16}|[0-9a-fA-F]{2}(?:[ :,]{0,2}(?:0x|\\x)?[0-9a-fA-F]{2}){7}|%")
NOT_SPACE = re.compile(r"\S+")
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
LETTERS = re.compile(r"[^\W\d_]{3}")
LETTERS_ALONE = bytes(code if chr(code) in ascii_lowercase else ord(" ") for code in range(256))
# The commonest words of English: text that shows them only when turned round was disguised.
# Single letters prove nothing.
COMMON = frozenset(
    word.encode()
    for word in re.split(
        r"\s+",
        "the and to of in is are you it that how what do does for on with my me your this be can not"
        " all as at make give write tell explain from by or if we he she they about without",
    )
    if len(word) > 1
)
ROTATED = frozenset(codecs.encode(word.decode(), "rot13").encode() for word in COMMON)
REVERSED = frozenset(word[::-1] for word in COMMON)
LONGEST_DISGUISE = 20_000
LOOKED_AT = 4000  # characters of a text, at either end


def decoded(view: View) -> View | None:
    """All encoded passages of the view in clear, one a line; each character stands for its whole passage."""
    passages = sorted(passages_of(view.text)) if PASSAGES_SIEVE.passes(view.text) else []
    if not passages:
        return None
    lines: list[str] = []
    starts, ends = array("q"), array("q")
    for start, end, clear in passages:
        first, last = view.locate(start, end)
        lines.append(clear)
        starts.extend([first] * (len(clear) + 1))
        ends.extend([last] * (len(clear) + 1))
    return View(f"{view.path}>decoded", "\n".join(lines), starts, ends)


def passages_of(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and clear text of every passage that decodes into something readable."""
    for run in BASE64.finditer(text):
        if clear := from_base64(run.group()):
            yield run.start(), run.end(), clear
    for run in HEX.finditer(text):
        if clear := readable(bytes.fromhex("".join(HEX_PAIR.findall(run.group())))):
            yield run.start(), run.end(), clear
    if "%" in text:
        for run in NOT_SPACE.finditer(text):
            if "%" in run.group() and (plain := unquote(run.group(), errors="replace")) != run.group():
                yield run.start(), run.end(), plain


def from_base64(run: str) -> str | None:
    """The clear text; letters that happen to stand before the passage are tried as no part of it."""
    standard = run.rstrip("=").replace("-", "+").replace("_", "/")
    for skip in range(4 if 24 <= len(run) <= 8192 else 1):
        body = standard[skip:]
        body = body[:-1] if len(body) % 4 == 1 else body
        try:
            clear = readable(base64.b64decode(body + "=" * (-len(body) % 4)))
        except (binascii.Error, ValueError):
            continue
        if clear:
            return clear
    return None


def readable(data: bytes) -> str | None:
    """The bytes as text if more than 95 % of it can be printed and it holds three letters in a row."""
    text = data.decode("utf-8", "replace")
    bad = len(UNPRINTABLE.findall(text))
    return text if bad < 0.05 * len(text) and LETTERS.search(text) else None


def undisguised(view: View) -> Iterator[View]:
    """The view rotated by 13 letters, and read backwards, where only that yields common words."""
    text = view.text
    if len(text) > LONGEST_DISGUISE:
        return
    lower = text.lower()
    words = words_of(lower[:LOOKED_AT])
    enough = 2 * commonness(words, COMMON) + 1
    if commonness(words, ROTATED) > enough:
        yield view.then("rot13", codecs.encode(text, "rot13"), None)
    last = words if len(lower) <= LOOKED_AT else words_of(lower[-LOOKED_AT:])
    if commonness(last, REVERSED) > enough:
        yield view.then("reverse", text[::-1], range(len(text) - 1, -1, -1))


def words_of(lower: str) -> list[bytes]:
    """Every run of the letters a to z."""
    return lower.encode("ascii", "replace").translate(LETTERS_ALONE).split()


def commonness(words: Iterable[bytes], common: frozenset[bytes]) -> int:
    """How many of them are of the commonest words."""
    return sum(map(common.__contains__, words))
