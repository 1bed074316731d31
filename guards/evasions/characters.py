"""Evasions that change single characters: hidden ones put between, look-alikes put in their place, marks put on."""

import unicodedata
from collections.abc import Callable, Mapping
from random import Random

Technique = Callable[[str, Random], str]

ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e\u2061\u2062\u2063\u2064"
FILLERS = "\u115f\u1160\u3164\uffa0\u2800"
BIDI = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200e\u200f\u061c"
CYRILLIC = dict(zip("aeopcyxijshdgkmtbAEOPCTXHKMB", "аеорсухіјѕһԁɡкмтьАЕОРСТХНКМВ", strict=True))
GREEK = dict(zip("aoviptukABEZHIKMNOPTYX", "αονιρτυκΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", strict=True))
ARMENIAN = dict(zip("ohnuqSOUL", "օհոսզՏՕՍԼ", strict=True))
SMALL_CAPITALS = dict(zip("abcdefghijklmnopqrstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢ", strict=True))
UPSIDE_DOWN = dict(zip("abcdefghijklmnopqrstuvwxyz", "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz", strict=True))
LEET = dict(zip("oieastOIEAST", "013457013457", strict=True))
LEET_SIGNS = {"a": "@", "s": "$", "i": "!", "o": "0", "e": "3"}
PLAIN_WORD = 3  # a disguised word has at least so many letters


def between(marks: str) -> Technique:
    """A hidden character after every letter."""
    return lambda text, rng: "".join(char + rng.choice(marks) for char in text)


def mapped(table: Mapping[str, str], share: float = 1.0) -> Technique:
    """Such a share of the letters that have a double replaced by it."""
    return lambda text, rng: "".join(
        table[char] if char in table and rng.random() < share else char for char in text
    )


def shifted(capital: int, small: int, digit: int | None = None, lower: bool = False) -> Technique:
    """Every letter from an alphabet elsewhere, whose A and a are given."""
    table = {chr(ord("A") + at): chr((small if lower else capital) + at) for at in range(26)}
    table |= {chr(ord("a") + at): chr(small + at) for at in range(26)}
    if digit is not None:
        table |= {chr(ord("0") + at): chr(digit + at) for at in range(10)}
    return mapped(table)


def tags(text: str, rng: Random) -> str:
    """An innocent word, and the text behind it in tag characters."""
    return "Hello" + "".join(chr(0xE0000 + ord(char)) for char in text if 0x20 <= ord(char) < 0x7F)


def selectors(text: str, rng: Random) -> str:
    """A face, and the text behind it as variation selectors, one for each byte."""
    return "\U0001f600" + "".join(
        chr(0xFE00 + byte) if byte < 16 else chr(0xE0100 + byte - 16) for byte in text.encode()
    )


def marked(most: int) -> Technique:
    """Up to so many combining marks on every letter."""
    marks = [chr(code) for code in range(0x300, 0x370)]
    return lambda text, rng: "".join(
        char + "".join(rng.choices(marks, k=rng.randint(1, most))) if char.isalpha() else char
        for char in text
    )


def accented(text: str, rng: Random) -> str:
    """Letters with an accent, each one character."""
    accents = "\u0300\u0301\u0302\u0308"
    return "".join(
        unicodedata.normalize("NFC", char + rng.choice(accents)) if char in "aeiouAEIOU" else char
        for char in text
    )


def backspaced(text: str, rng: Random) -> str:
    """A wrong letter now and then, and a backspace that takes it back."""
    return "".join(
        f"{char}{rng.choice('xqz')}\b" if char.isalpha() and rng.random() < 0.4 else char for char in text
    )


def mixed_scripts(text: str, rng: Random) -> str:
    """Each letter from a script of its own."""
    tables: tuple[Mapping[str, str], ...] = (CYRILLIC, GREEK, ARMENIAN, {})
    return "".join(rng.choice(tables).get(char, char) for char in text)


def wide_and_spaced(text: str, rng: Random) -> str:
    """Full-width letters with a hidden character between them."""
    wide = shifted(0xFF21, 0xFF41, 0xFF10)(text, rng)
    return "\u200b".join(wide)


TECHNIQUES: Mapping[str, Technique] = {
    "zero-width characters": between(ZERO_WIDTH),
    "invisible fillers": between(FILLERS),
    "soft hyphens": between("\u00ad"),
    "bidirectional controls": between(BIDI),
    "tag characters": tags,
    "variation selectors": selectors,
    "Cyrillic look-alikes": mapped(CYRILLIC),
    "some Cyrillic look-alikes": mapped(CYRILLIC, 0.4),
    "Greek look-alikes": mapped(GREEK),
    "Armenian look-alikes": mapped(ARMENIAN),
    "mixed scripts": mixed_scripts,
    "full-width letters": shifted(0xFF21, 0xFF41, 0xFF10),
    "full-width letters and zero-width characters": wide_and_spaced,
    "bold mathematical letters": shifted(0x1D400, 0x1D41A, 0x1D7CE),
    "bold sans-serif letters": shifted(0x1D5D4, 0x1D5EE, 0x1D7EC),
    "monospaced letters": shifted(0x1D670, 0x1D68A, 0x1D7F6),
    "bold Fraktur letters": shifted(0x1D56C, 0x1D586),
    "bold script letters": shifted(0x1D4D0, 0x1D4EA),
    "circled letters": shifted(0x24B6, 0x24D0),
    "parenthesised letters": shifted(0x249C, 0x249C, lower=True),
    "squared letters": shifted(0x1F130, 0x1F130),
    "dark squared letters": shifted(0x1F170, 0x1F170),
    "dark circled letters": shifted(0x1F150, 0x1F150),
    "regional indicators": shifted(0x1F1E6, 0x1F1E6),
    "small capitals": lambda text, rng: mapped(SMALL_CAPITALS)(text.lower(), rng),
    "upside-down letters": lambda text, rng: mapped(UPSIDE_DOWN)(text.lower(), rng)[::-1],
    "one combining mark a letter": marked(1),
    "Zalgo": marked(8),
    "accents": accented,
    "backspaces": backspaced,
    "leetspeak": mapped(LEET, 0.9),
    "some leetspeak": mapped(LEET, 0.4),
    "leetspeak with signs": mapped(LEET_SIGNS, 0.8),
}
