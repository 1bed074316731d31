"""Tells text that says nothing from text that does, by its words alone."""

import re

WORD = re.compile(r"[^\W\d_]{2,}")


def garbled(text: str) -> bool:
    """Whether a text says nothing: empty, without words, or a few words over and over."""
    words = [word.lower() for word in WORD.findall(text)]
    if not words:
        return not any(character.isdigit() for character in text)
    return len(words) >= 12 and len(set(words)) / len(words) < 0.3
