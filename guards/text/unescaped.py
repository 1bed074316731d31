"""Escapes read as the characters they stand for: URL, HTML, backslashes, code points, quoted-printable."""

import html
import re
from array import array

from guards.text.sieve import Sieve
from guards.text.view import View

ESCAPES_SIEVE = Sieve(
    r"%[0-9a-fA-F]{2}|&#?[0-9A-Za-z]{1,31};|\\[xX][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[0-3][0-7]{2}|U\+[0-9a-fA-F]{4}"
    r"|=[0-9A-F]{2}(?:=\r?\n)?=[0-9A-F]{2}|=\?(?i:utf-8\?q)\?"
)
# Runs of one kind, since a character may take several bytes.
ESCAPED = re.compile(
    r"(?P<mime>=\?[uU][tT][fF]-8\?[qQ]\?(?:(?!=\?)\S){1,998}?\?=(?!\S))"
    r"|(?P<url>(?:%[0-9a-fA-F]{2})+)"
    r"|(?P<entity>&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});)"
    r"|(?P<byte>(?:\\[xX][0-9a-fA-F]{2})+)"
    r"|(?P<code>\\u[0-9a-fA-F]{4})"
    r"|(?P<octal>(?:\\[0-3][0-7]{2}){2,})"
    r"|(?P<point>U\+[0-9a-fA-F]{4,6}(?: (?=U\+))?)"
    r"|(?P<quoted>(?:=[0-9A-F]{2}(?:=\r?\n)?){2,})"
)
MAIL_BYTES = re.compile(r"(?:=[0-9A-Fa-f]{2})+")
HEX_PAIR = re.compile(r"[0-9a-fA-F]{2}")
OCTAL = re.compile(r"[0-3][0-7]{2}")
SOFT_BREAK = re.compile(r"=\r?\n")
ROUNDS = 2  # an escape of an escape


def unescaped(view: View) -> View:
    """The view with every escape in clear."""
    for _ in range(ROUNDS):
        if not ESCAPES_SIEVE.passes(view.text):
            return view
        plain = once(view)
        if plain is None:
            return view
        view = plain
    return view


def once(view: View) -> View | None:
    """The view with its escapes undone once; None when none stands for anything."""
    pieces: list[str] = []
    chosen = array("q")
    position = 0
    for run in ESCAPED.finditer(view.text):
        clear = meant(run)
        if clear is None:
            continue
        pieces += (view.text[position : run.start()], clear)
        chosen.extend(range(position, run.start()))
        chosen.extend(places(run, len(clear)))
        position = run.end()
    if not pieces:
        return None
    pieces.append(view.text[position:])
    chosen.extend(range(position, len(view.text)))
    path = view if view.path.endswith(">unescape") else None
    step = view.then("unescape", "".join(pieces), chosen)
    return step if path is None else View(view.path, step.text, step.starts, step.ends)


def places(run: re.Match[str], size: int) -> list[int]:
    """Where each of the characters that a run stands for begins, as nearly as can be told."""
    length = run.end() - run.start()
    return [run.start() + at * length // size for at in range(size)] if size else []


def meant(run: re.Match[str]) -> str | None:
    """What a run of escapes stands for; None where that could not be shown."""
    kind, code = run.lastgroup, run.group()
    if kind == "entity":
        clear = html.unescape(code)
        return clear if clear != code else None
    if kind in {"code", "point"}:
        number = int(code.strip()[2:], 16)
        return chr(number) if shown(number) else None
    if kind == "mime":
        return MAIL_BYTES.sub(lambda one: from_pairs(one.group()), code[10:-2].replace("_", " "))
    if kind == "octal":
        return bytes(int(one, 8) & 255 for one in OCTAL.findall(code)).decode("utf-8", "replace")
    return from_pairs(SOFT_BREAK.sub("", code))


def from_pairs(code: str) -> str:
    """All pairs of hexadecimal digits as bytes of a text."""
    return bytes.fromhex("".join(HEX_PAIR.findall(code))).decode("utf-8", "replace")


def shown(number: int) -> bool:
    """Whether there is a character of that number, and not half of one."""
    return number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF
