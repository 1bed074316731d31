"""What an author wrote, as a message may quote it: on one line, printable, and of no great length. Pure."""

import re

LONG_WORD = re.compile(r"\S{121,}")
WORD_CHARS, MESSAGE_CHARS = 80, 2000


def shown(text: str) -> str:
    """The text with what is not printable escaped, long words cut, and the rest left off where there is too much."""
    cut = LONG_WORD.sub(lambda word: f"{word[0][:WORD_CHARS]}…", text)
    if len(cut) > MESSAGE_CHARS:
        cut = f"{cut[:MESSAGE_CHARS]}…"
    return cut if cut.isprintable() else "".join(map(_printable, cut))


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
