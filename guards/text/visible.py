"""What a reader would see, hidden characters dropped; and what was hidden in them, decoded."""

import re
import unicodedata
from array import array
from collections.abc import Mapping
from functools import lru_cache

from guards.text.lookalikes import boxed
from guards.text.view import View

# Invisible, yet of no category that says so: fillers, joiners, blank Braille, the grapheme joiner.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2800\u3164\uffa0")
BOXED = boxed()
PLAIN = bytes(range(0x20, 0x7F)) + b"\n\t\r"  # what everybody sees as it is
TAGS = re.compile("[\U000e0020-\U000e007e]+")
SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
FIRST_HIDING = "\ufe00"  # the least character that can hide others
SURROGATES = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """The text with every lone surrogate, which has no UTF-8 form, replaced one for one."""
    return text if text.isascii() else SURROGATES.sub("\ufffd", text)


def visible(view: View) -> View:
    """The view without what cannot be seen: NFKC per character, backspaces applied."""
    text = view.text
    if text.isascii() and not text.encode().translate(None, PLAIN):
        return view
    forms = {char: form for char in set(text) if (form := form_of(char)) != char}
    if not forms:
        return view
    clear, chosen = (typed if "\b" in forms else respelled)(text, forms)
    return view.then("visible", clear, chosen)


def respelled(text: str, forms: Mapping[str, str]) -> tuple[str, "array[int]"]:
    """The text with each of these characters in its form, and where each character of that came from."""
    pieces: list[str] = []
    chosen = array("q")
    position = 0
    for found in re.finditer("[" + "".join(map(re.escape, forms)) + "]", text):
        index = found.start()
        form = forms[found.group()]
        pieces += (text[position:index], form)
        chosen.extend(range(position, index))
        chosen.extend([index] * len(form))
        position = index + 1
    pieces.append(text[position:])
    chosen.extend(range(position, len(text)))
    return "".join(pieces), chosen


def typed(text: str, forms: Mapping[str, str]) -> tuple[str, "array[int]"]:
    """The same for a text with backspaces: each takes back the last character that can be seen."""
    shown: list[str] = []
    chosen = array("q")
    for index, char in enumerate(text):
        if char == "\b":
            if shown:
                shown.pop()
                chosen.pop()
            continue
        form = forms.get(char, char)
        shown.extend(form)
        chosen.extend([index] * len(form))
    return "".join(shown), chosen


@lru_cache(maxsize=16_384)
def form_of(char: str) -> str:
    """What is seen of one character: its compatibility form, or nothing."""
    if char in INVISIBLE or 0xFE00 <= ord(char) <= 0xFE0F or 0xE0100 <= ord(char) <= 0xE01EF:
        return ""
    if char not in "\n\t\r" and unicodedata.category(char) in {"Cf", "Cc", "Co", "Cn"}:
        return ""
    return BOXED.get(char) or unicodedata.normalize("NFKC", char)


def hidden(view: View) -> View | None:
    """Text written in tag characters or as bytes in runs of variation selectors; None when there is none."""
    if view.text.isascii() or max(view.text, default="") < FIRST_HIDING:
        return None
    letters: list[str] = []
    chosen = array("q")
    for run in TAGS.finditer(view.text):
        letters.extend(chr(ord(char) - 0xE0000) for char in run.group())
        chosen.extend(range(run.start(), run.end()))
    for run in SELECTORS.finditer(view.text):
        spelled = bytes(map(byte_of, run.group())).decode("utf-8", "replace")
        letters.extend(spelled)
        chosen.extend([run.start()] * len(spelled))
    return view.then("hidden", "".join(letters), chosen) if letters else None


def byte_of(selector: str) -> int:
    """The byte that one variation selector stands for: the first block holds 0 to 15."""
    code = ord(selector)
    return code - 0xFE00 if code < 0xE0100 else code - 0xE0100 + 16
