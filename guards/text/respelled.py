"""Words pulled apart or spelled in digits, read as words again."""

import re
from array import array

from guards.text.view import View

SPACED = re.compile(r"(?<![^\W_])[^\W_](?:[ ._\-*|][^\W_]){3,}(?![^\W_])")
# A whole token with a digit or sign that stands for a letter, and with a letter; tried at tokens' beginnings alone.
TOKEN = re.compile(r"(?<![\w@$!])(?=[\w@$!]*?[013457@$!])(?=[\w@$!]*?[^\W\d_])[\w@$!]+")
LEET = str.maketrans("013457@$!", "oieastasi")
HAS_LEET = re.compile(r"[013457@$!]")


def despaced(view: View) -> View:
    """The view with runs of at least four single letters or digits drawn together: `i g n o r e`."""
    text = view.text
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
    if HAS_LEET.search(view.text) is None:
        return view
    text = TOKEN.sub(respelled, view.text)
    return view if text == view.text else view.then("deleet", text, None)


def respelled(token: re.Match[str]) -> str:
    """The token in letters; marks at its end are punctuation."""
    word = token.group()
    body = word.rstrip("!")
    return body.translate(LEET) + word[len(body) :]
