"""Look-alike letters read as the Latin ones they imitate; honest text in another script stays."""

import re
import unicodedata

from guards.text.view import View

LOOK_ALIKES = dict(
    zip(
        "аеорсухіјѕһԁɡӏкмтнвАВЕКМНОРСТУХІЈЅԚԜΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανρτυικıɑ",
        "aeopcyxijshdglkmthbABEKMHOPCTYXIJSQWABEZHIKMNOPTYXoavptuikia",
        strict=True,
    )
)
WORD = re.compile(r"[\w\u0300-\u036f]+")
ASCII_LETTER = re.compile(r"[A-Za-z]")
FOREIGN_LETTER = re.compile(r"[^\W\d_\x00-\x7f]")


def skeleton(view: View) -> View:
    """The view with mixed-script words, and imitated words in Latin text, spelled in plain Latin."""
    text = view.text
    if text.isascii():
        return view
    latin = len(ASCII_LETTER.findall(text)) >= len(FOREIGN_LETTER.findall(text))
    pieces: list[str] = []
    chosen: list[int] = []
    position = 0
    known: dict[str, str] = {}
    for word in WORD.finditer(text):
        if word.group().isascii():
            continue
        plain = plain_word(word.group(), latin, known)
        if plain is None:
            continue
        pieces.append(text[position : word.start()])
        chosen.extend(range(position, word.start()))
        for index, letters in enumerate(plain, word.start()):
            pieces.append(letters)
            chosen.extend([index] * len(letters))
        position = word.end()
    if not pieces:
        return view
    pieces.append(text[position:])
    chosen.extend(range(position, len(text)))
    return view.then("skeleton", "".join(pieces), chosen)


def plain_word(word: str, latin: bool, known: dict[str, str]) -> list[str] | None:
    """Each character's Latin letters, or None when it imitates nothing in text mostly `latin`."""
    plain = []
    for char in word:
        letters = known.get(char)
        if letters is None:
            letters = known[char] = plain_letters(char)
        plain.append(letters)
    mixed = ASCII_LETTER.search(word) is not None
    return plain if mixed or (latin and "".join(plain).isascii()) else None


def plain_letters(char: str) -> str:
    """The letter imitated by a character, without its marks; nothing for a mark that stands alone."""
    if char.isascii():
        return char
    parts = unicodedata.normalize("NFD", LOOK_ALIKES.get(char, char))
    first = "".join(part for part in parts if not unicodedata.combining(part))
    return LOOK_ALIKES.get(first, first) if first.isascii() or first in LOOK_ALIKES else char
