"""Whether characters were drawn by chance, as keys are, or chosen to be read, as names and examples are."""

import math
import re
from collections import Counter

BITS_PER_CHAR = (
    2.8  # of a key that is named as one; hexadecimal digits have 4 at most, words about as few as 2.5
)
FEWEST_CHARS = 10
LONGEST_READ = 120
PIECES = re.compile(r"[A-Za-z0-9+/=~]+")
SIDES = re.compile(r"[a-z]+|[A-Z]+|[0-9]+")
WORD = re.compile(r"[A-Z]?[a-z]+\d{0,4}|[A-Z]+\d{0,4}|\d{1,6}")  # as identifiers and versions are made of
# What people write where a secret would stand.
STAND_IN = re.compile(
    r"(?i)^(?:your|my|the|some|insert|enter|put|add|env|example|sample|test|dummy|fake|placeholder|changeme|replace"
    r"|redacted|secret|password|passwd|none|null|true|false|undefined|xxx+|\*+|\.+|[<${\[%])|(.)\1{5}|1234567890|abcdef"
    r"|[>}\]%]$"
)


def drawn(text: str) -> bool:
    """Whether what is named a key is one: long, various, and no identifier, path or stand-in for one."""
    secret = text[:LONGEST_READ]
    if len(secret) < FEWEST_CHARS or STAND_IN.search(secret):
        return False
    return entropy(secret) >= BITS_PER_CHAR and any(map(is_jumbled, PIECES.findall(secret)))


def is_jumbled(piece: str) -> bool:
    """Whether letters of both cases and digits follow one another as they do in no word."""
    if len(piece) < 6 or WORD.fullmatch(piece):
        return False
    words = re.findall(r"[A-Z]?[a-z]{3,}|[A-Z]{3,}", piece)
    changes = len(SIDES.findall(piece)) - 1
    return (
        changes >= max(3, len(piece) // 6) and sum(map(len, words)) <= len(piece) * 0.7 and has_digit(piece)
    )


def has_digit(text: str) -> bool:
    """Whether any character is a digit."""
    return any(map(str.isdigit, text))


def entropy(text: str) -> float:
    """Bits per character, by the text's own frequencies."""
    size = len(text)
    return -sum(count / size * math.log2(count / size) for count in Counter(text).values())


def password(text: str) -> bool:
    """Whether what is called a password is one: six characters of two kinds, and no stand-in for it."""
    if len(text) < 6 or STAND_IN.search(text):
        return False
    kinds = (
        any(map(str.isalpha, text)),
        has_digit(text),
        any(not char.isalnum() for char in text.strip(".")),
    )
    return sum(kinds) >= 2 and (has_digit(text) or bool(re.search(r"[!@#$%^&*?+=]", text)))
