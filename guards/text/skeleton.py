"""Look-alike letters read as the Latin ones they imitate; honest text in another script stays."""

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache

from guards.text.lookalikes import LOOK_ALIKES
from guards.text.view import View

IN_WORD = r"[\w\u0300-\u036f]"
WORD_CHAR = re.compile(IN_WORD)
ASCII_LETTER = re.compile(r"[A-Za-z]")
LETTER = re.compile(r"[^\W\d_]")
WORDS = re.compile(r"[^\W\d_]+")
FEWEST_WORDS, IMITATED = 3, 0.7
LOOKED_AT = 4000  # characters


def skeleton(view: View) -> View:
    """The view with mixed-script words, and imitated words in Latin text, spelled in plain Latin."""
    text = view.text
    if text.isascii() or not (forms := imitations(text)):
        return view
    latin = mostly_latin(text) or all_imitated(text, forms)
    pieces: list[str] = []
    chosen = array("q")
    position = 0
    for word in words_with(forms, text):
        plain = plain_word(word.group(), forms, latin)
        if plain is None:
            continue
        pieces += (text[position : word.start()], *plain)
        chosen.extend(range(position, word.start()))
        for index, letters in enumerate(plain, word.start()):
            chosen.extend([index] * len(letters))
        position = word.end()
    if not pieces:
        return view
    pieces.append(text[position:])
    chosen.extend(range(position, len(text)))
    return view.then("skeleton", "".join(pieces), chosen)


def imitations(text: str) -> dict[str, str]:
    """The Latin letters of every character in the text that imitates some, or that carries marks."""
    return {
        char: letters
        for char in set(text)
        if not char.isascii() and WORD_CHAR.match(char) and (letters := plain_letters(char)) != char
    }


def words_with(forms: Mapping[str, str], text: str) -> Iterator[re.Match[str]]:
    """The whole words that hold one of these characters; tried at the beginnings of words alone."""
    imitating = "[" + "".join(map(re.escape, forms)) + "]"
    return re.finditer(f"(?<!{IN_WORD}){IN_WORD}*?{imitating}{IN_WORD}*", text)


def mostly_latin(text: str) -> bool:
    """Whether at least half of its letters are Latin ones, of whatever shape."""
    counts = Counter(text)
    latin = sum(count for char, count in counts.items() if is_latin(char))
    return 2 * latin >= sum(count for char, count in counts.items() if LETTER.match(char))


@lru_cache(maxsize=16_384)
def is_latin(char: str) -> bool:
    """Whether it is a letter of the Latin script: small capitals and letters turned round are, too."""
    return bool(ASCII_LETTER.match(char)) or unicodedata.name(char, "").startswith("LATIN")


def all_imitated(text: str, forms: Mapping[str, str]) -> bool:
    """Whether most words of two letters or more can be read as Latin: no honest text in another script can."""
    words = [word for word in WORDS.findall(text[:LOOKED_AT]) if len(word) > 1]
    latin = sum("".join(forms.get(char, char) for char in word).isascii() for word in words)
    return len(words) >= FEWEST_WORDS and latin >= IMITATED * len(words)


def plain_word(word: str, forms: Mapping[str, str], latin: bool) -> list[str] | None:
    """Each character's Latin letters, or None when it imitates nothing in text mostly `latin`."""
    plain = [forms.get(char, char) for char in word]
    mixed = ASCII_LETTER.search(word) is not None
    return plain if mixed or (latin and "".join(plain).isascii()) else None


@lru_cache(maxsize=16_384)
def plain_letters(char: str) -> str:
    """The letter imitated by a character, without its marks; nothing for a mark that stands alone."""
    if char.isascii():
        return char
    parts = unicodedata.normalize("NFD", LOOK_ALIKES.get(char, char))
    first = "".join(part for part in parts if not unicodedata.combining(part))
    return LOOK_ALIKES.get(first, first) if first.isascii() or first in LOOK_ALIKES else char
