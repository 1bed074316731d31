"""Words pulled apart, drawn out or spelled in digits, read as words again."""

import re
from array import array
from functools import reduce
from math import gcd
from string import ascii_lowercase

from guards.text.sieve import Sieve
from guards.text.view import View

SEPARATORS = r" ._\-*|\n"
SPACED_SIEVE = Sieve(rf"[A-Za-z0-9](?:[{SEPARATORS}][A-Za-z0-9]){{3}}|[A-Za-z0-9](?:  [A-Za-z0-9]){{3}}")
SPACED = re.compile(r"(?<![^\W_])[^\W_](?:[ ._\-*|][^\W_]){3,}(?![^\W_])")
# The same once more with one separator throughout; then a shorter run is a word, too.
ALIKE = re.compile(rf"(?<![^\W_])[^\W_](?:(?P<gap>[{SEPARATORS}]|  )[^\W_])(?:(?P=gap)[^\W_])*(?![^\W_])")
LONG_RUN = 7  # characters: four letters and three separators
# A whole token with a digit or sign that stands for a letter, and with a letter; tried at tokens' beginnings alone.
TOKEN = re.compile(r"(?<![\w@$!])(?=[\w@$!]*?[013457@$!])(?=[\w@$!]*?[^\W\d_])[\w@$!]+")
LEET = str.maketrans("013457@$!", "oieastasi")
# Such a sign beside or before a letter; marks at a token's end are punctuation.
LEET_SIEVE = Sieve(r"[A-Za-z][\w@$!]*(?:[013457@$]|![\w@$])|[013457@$!][\w@$!]*[A-Za-z]")
STRETCHED_SIEVE = Sieve(
    "(?i:"
    + "|".join(f"{one}{{3}}" for one in ascii_lowercase)
    + "|(?:"
    + "|".join(f"{one}{one}" for one in ascii_lowercase)
    + "){3})"
)
WORD = re.compile(r"[^\W\d_]{2,}")
SAME = re.compile(r"([^\W\d_])\1*", re.IGNORECASE)


def despaced(view: View) -> View:
    """The view with runs of at least four single letters or digits drawn together: `i g n o r e`."""
    text = view.text
    if text.isascii() and not SPACED_SIEVE.passes(text):
        return view
    return drawn(view, list(SPACED.finditer(text)), 2)


def rejoined(view: View) -> View:
    """The view with every run of letters drawn together that one separator parts: also the short words among them."""
    text = view.text
    if text.isascii() and not SPACED_SIEVE.passes(text):
        return view
    runs = list(ALIKE.finditer(text))
    gaps = {run["gap"] for run in runs if run.end() - run.start() >= LONG_RUN}
    return drawn(view, [run for run in runs if run["gap"] in gaps], None)


def drawn(view: View, runs: list[re.Match[str]], step: int | None) -> View:
    """The view with only every second character of these runs, or as far apart as their gap puts them."""
    pieces: list[str] = []
    chosen = array("q")
    position = 0
    for run in runs:
        stride = step or len(run["gap"]) + 1
        pieces += (view.text[position : run.start()], run.group()[::stride])
        chosen.extend(range(position, run.start()))
        chosen.extend(range(run.start(), run.end(), stride))
        position = run.end()
    if not pieces:
        return view
    pieces.append(view.text[position:])
    chosen.extend(range(position, len(view.text)))
    return view.then("despace", "".join(pieces), chosen)


def deleeted(view: View) -> View:
    """The view with digits read as letters in tokens that hold a letter: `1gn0r3`."""
    if view.text.isascii() and not LEET_SIEVE.passes(view.text):
        return view
    text = TOKEN.sub(respelled, view.text)
    return view if text == view.text else view.then("deleet", text, None)


def respelled(token: re.Match[str]) -> str:
    """The token in letters; marks at its end are punctuation."""
    word = token.group()
    body = word.rstrip("!")
    return body.translate(LEET) + word[len(body) :]


def calmed(view: View) -> View:
    """The view with letters that are written over and over written once: `kiiiill`, `kkiillll`."""
    if view.text.isascii() and not STRETCHED_SIEVE.passes(view.text):
        return view
    pieces: list[str] = []
    chosen = array("q")
    position = 0
    for word in WORD.finditer(view.text):
        runs = list(SAME.finditer(word.group()))
        lengths = [run.end() - run.start() for run in runs]
        common = reduce(gcd, lengths)
        if common == 1 and max(lengths) < 3:
            continue
        pieces.append(view.text[position : word.start()])
        chosen.extend(range(position, word.start()))
        for run, length in zip(runs, lengths, strict=True):
            kept = length // common if common > 1 else 1 if length > 2 else length
            pieces.append(run.group()[:kept])
            chosen.extend(range(word.start() + run.start(), word.start() + run.start() + kept))
        position = word.end()
    if not pieces:
        return view
    pieces.append(view.text[position:])
    chosen.extend(range(position, len(view.text)))
    return view.then("calm", "".join(pieces), chosen)
