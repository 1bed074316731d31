"""Encoded passages read in clear: base64 and its like, numbers, signals, UU."""

import base64
import binascii
import re
from array import array
from collections.abc import Callable, Iterator

from guards.text.numerals import numbered
from guards.text.sieve import Sieve
from guards.text.signals import NATO_SIEVE, brailled, signalled
from guards.text.view import View

# A code may go on over several lines.
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{2,})*={0,6}")
LINE = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,6}")
BASE32 = re.compile(r"[A-Z2-7]{16,}={0,6}")
PEM_LINE = re.compile(r"-{5}[A-Z ]{3,40}-{5}")
UU = re.compile(r"^begin [0-7]{3,4} [^\n]{1,80}\n", re.MULTILINE)
MARKED85 = re.compile(r"<~([!-uz\s]{8,8192}?)~>")
# No space in it, and more signs than any word or address has.
TOKEN85 = re.compile(r"(?<!\S)[!-~]{15,4096}(?!\S)")
SIGNS = re.compile(r"[^A-Za-z0-9]")
SIEVE = Sieve(
    r"[A-Za-z0-9+/_-]{16}|[!-~]{15}|[01]{8}[ ,][01]{8}"
    r"|[0-9a-fA-F]{2}(?:[ :,]{1,2}(?:0x|\\x)?[0-9a-fA-F]{2}){5}|[0-9a-fA-F]{2}(?:(?:0x|\\x)[0-9a-fA-F]{2}){5}"
    r"|[0-9]{2,3}(?:(?:[ ,;]{1,3}|\) ?[+.,&] ?[cC][hH][rR]\()[0-9]{2,3}){5}"
    r"|begin [0-7]{3}|<~|[.-]{1,6} [.-]{1,6} [.-]{1,6}[ /|\n]{1,3}[.-]|" + NATO_SIEVE
)
PLAIN = re.compile("[ -~\n]{16,}")
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
LETTERS = re.compile(r"[^\W\d_]{3}")
MOST_TOKENS = 16  # of the long tokens with signs in them, which are slow to try

Passage = tuple[int, int, str]


def decoded(view: View) -> View | None:
    """All encoded passages of the view in clear, one a line; each character stands for its whole passage."""
    return in_lines(view, passages_of(view.text)) if SIEVE.passes(view.text) else None


def felt(view: View) -> View | None:
    """The same of Braille alone, which is looked for in the raw text."""
    return None if view.text.isascii() else in_lines(view, brailled(view.text))


def in_lines(view: View, passages: Iterator[Passage]) -> View | None:
    """The passages one under the other; None when there is none."""
    lines: list[str] = []
    starts, ends = array("q"), array("q")
    for start, end, clear in sorted(passages):
        first, last = view.locate(start, end)
        lines.append(clear)
        starts.extend([first] * (len(clear) + 1))
        ends.extend([last] * (len(clear) + 1))
    return View(f"{view.path}>decoded", "\n".join(lines), starts, ends) if lines else None


def passages_of(text: str) -> Iterator[Passage]:
    """Start, end and clear text of every passage that decodes into something readable."""
    bare = PEM_LINE.sub(lambda line: " " * len(line.group()), text) if "-----" in text else text
    for run in BASE64.finditer(bare):
        yield from from_run(run)
    for start, end, data in numbered(text):
        if clear := readable(data):
            yield start, end, clear
    yield from from_uu(text)
    yield from from_base85(text)
    yield from signalled(text)


def from_run(run: re.Match[str]) -> Iterator[Passage]:
    """A run of a code's letters in clear: as a whole, or else line by line."""
    code = run.group()
    if clear := from_letters("".join(code.split())):
        yield run.start(), run.end(), clear
    elif "\n" in code:
        for line in LINE.finditer(code):
            if clear := from_letters(line.group()):
                yield run.start() + line.start(), run.start() + line.end(), clear


def from_letters(code: str) -> str | None:
    """Base64, or base32 where there are no other letters."""
    return (BASE32.fullmatch(code) and from_base32(code)) or from_base64(code)


def from_base32(code: str) -> str | None:
    """The clear text, padding repaired."""
    bare = code.rstrip("=")
    return tried(lambda: base64.b32decode(bare + "=" * (-len(bare) % 8)))


def from_base64(run: str) -> str | None:
    """The clear text; letters that happen to stand before the passage are tried as no part of it."""
    standard = run.rstrip("=").replace("-", "+").replace("_", "/")
    for skip in range(4 if 24 <= len(run) <= 8192 else 1):
        body = standard[skip:]
        body = body[:-1] if len(body) % 4 == 1 else body
        if clear := tried(lambda body=body: base64.b64decode(body + "=" * (-len(body) % 4))):  # type: ignore[misc]
            return clear
    return None


def from_uu(text: str) -> Iterator[Passage]:
    """Whatever stands between the first and the last line of UU."""
    position = 0
    while head := UU.search(text, position):
        position = text.find("\nend", head.end() - 1)
        if position < 0:
            return
        lines = [line for line in text[head.end() : position].splitlines() if line.strip("`")]
        if clear := tried(lambda lines=lines: b"".join(map(binascii.a2b_uu, lines))):  # type: ignore[misc]
            yield head.start(), position + 4, clear


def from_base85(text: str) -> Iterator[Passage]:
    """Ascii85 between its marks, and tokens without a space and with many signs in either kind of base 85."""
    for run in MARKED85.finditer(text):
        if clear := tried(lambda run=run: base64.a85decode(run.group(1))):  # type: ignore[misc]
            yield run.start(), run.end(), clear
    tokens = (
        run for run in TOKEN85.finditer(text) if len(SIGNS.findall(run.group())) >= len(run.group()) // 10 + 2
    )
    for run, _ in zip(tokens, range(MOST_TOKENS), strict=False):
        for decode in (base64.a85decode, base64.b85decode):
            if clear := tried(lambda run=run, decode=decode: decode(run.group())):  # type: ignore[misc]
                yield run.start(), run.end(), clear
                break


def tried(decode: Callable[[], bytes]) -> str | None:
    """What the decoder yields, if it does and that can be read."""
    try:
        return readable(decode())
    except (binascii.Error, ValueError):
        return None


def readable(data: bytes) -> str | None:
    """The bytes as text if more than 95 % of it can be printed and it holds three letters in a row.

    Such as holds none is a text when every byte can be printed: another code.
    """
    text = data.decode("utf-8", "replace")
    bad = len(UNPRINTABLE.findall(text))
    return text if bad < 0.05 * len(text) and (LETTERS.search(text) or PLAIN.fullmatch(text)) else None
