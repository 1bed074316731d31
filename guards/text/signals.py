"""Alphabets of signals read as letters: Morse, Braille, the words that radio operators spell with."""

import re
from collections.abc import Iterator
from string import ascii_lowercase

_MORSE = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----. ..--.. .-.-.- --..-- -.-.-- .----. -....- -..-."
)
MORSE = dict(zip(_MORSE.split(), "abcdefghijklmnopqrstuvwxyz0123456789?.,!'-/", strict=True))
BRAILLE = dict(zip("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵⠀", "abcdefghijklmnopqrstuvwxyz ", strict=True))
_NATO = (
    "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu"
)
NATO = dict(zip(_NATO.split(), ascii_lowercase, strict=True)) | {"alpha": "a", "juliet": "j", "x-ray": "x"}
MORSE_RUN = re.compile(r"[.\-]{1,6}(?:[ \n/|]{1,5}[.\-]{1,6}){4,}")
MORSE_SIGN = re.compile(r"[.\-]+|[/|\n]|  +")
BRAILLE_RUN = re.compile("[⠀-⣿][⠀-⣿ \n]{4,}")
NATO_WORD = "|".join(sorted(NATO, key=len, reverse=True))
NATO_RUN = re.compile(rf"\b(?:{NATO_WORD})(?:[ ,\n/|.-]{{1,4}}(?:{NATO_WORD}))+\b", re.IGNORECASE)
NATO_SIGN = re.compile(rf"{NATO_WORD}|[/|\n]|  +", re.IGNORECASE)
NATO_SIEVE = rf"(?i:(?:{NATO_WORD})[ ,\n/|.-]{{1,4}}(?:{NATO_WORD})[ ,\n/|.-]{{1,4}}(?:{NATO_WORD}))"
FEWEST = 5  # letters


def signalled(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and letters of every passage that is spelled in signals."""
    for run in MORSE_RUN.finditer(text):
        signs = MORSE_SIGN.findall(run.group())
        letters = "".join(MORSE.get(sign, "" if sign[0] in ".-" else " ") for sign in signs)
        if len(letters) >= 0.8 * len(signs) and spells(letters):
            yield run.start(), run.end(), letters
    for run in NATO_RUN.finditer(text):
        signs = NATO_SIGN.findall(run.group().lower())
        letters = "".join(NATO.get(sign, " ") for sign in signs)
        if spells(letters):
            yield run.start(), run.end(), letters


def brailled(text: str) -> Iterator[tuple[int, int, str]]:
    """The same of Braille, which must be looked for before what cannot be seen is dropped."""
    for run in BRAILLE_RUN.finditer(text):
        letters = "".join(BRAILLE.get(char, char if char.isspace() else "") for char in run.group())
        if spells(letters):
            yield run.start(), run.end(), letters


def spells(letters: str) -> bool:
    """Whether these are letters enough, and not one over and over."""
    plain = set(letters) - {" "}
    return len(letters) >= FEWEST and len(plain) > 2
