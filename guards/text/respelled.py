"""Words pulled apart or spelled in digits, read as words again."""

import re
from array import array

from guards.text.sieve import Sieve
from guards.text.view import View

SPACED_SIEVE = Sieve(r"[A-Za-z0-9](?:[ ._\-*|][A-Za-z0-9]){3}")
SPACED = re.compile(r"(?<![^\W_])[^\W_](?:[ ._\-*|][^\W_]){3,}(?![^\W_])")
# A whole token with a digit or sign that stands for a letter, and with a letter; tried at tokens' beginnings alone.
TOKEN = re.compile(r"(?<![\w@$!])(?=[\w@$!]*?[013457@$!])(?=[\w@$!]*?[^\W\d_])[\w@$!]+")
LEET = str.maketrans("013457@$!", "oieastasi")
# Such a sign beside or before a letter; marks at a token's end are punctuation.
LEET_SIEVE = Sieve(r"[A-Za-z][\w@$!]*(?:[013457@$]|![\w@$])|[013457@$!][\w@$!]*[A-Za-z]")


def despaced(view: View) -> View:
    """The view with runs of at least four single letters or digits drawn together: `i g n o r e`."""
    text = view.text
    if text.isascii() and not SPACED_SIEVE.passes(text):
        return view
    pieces: list[str] = []
    chosen = array("q")
    position = 0
    for run in SPACED.finditer(text):
        pieces += (text[position : run.start()], run.group()[::2])
        chosen.extend(range(position, run.start()))
        chosen.extend(range(run.start(), run.end(), 2))
        position = run.end()
    if not pieces:
        return view
    pieces.append(text[position:])
    chosen.extend(range(position, len(text)))
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
