"""Ways to disguise a text, as pure functions: what the normaliser is tested with, and red-teaming draws on.

A technique takes a text and a source of chance, and gives the disguised text; the same chance gives the same text.
"""

from collections.abc import Callable, Mapping
from random import Random

from guards.evasions import characters, encodings, settings, spelling

Technique = Callable[[str, Random], str]

FAMILIES: Mapping[str, Mapping[str, Technique]] = {
    "characters": characters.TECHNIQUES,
    "spelling": spelling.TECHNIQUES,
    "encodings": encodings.TECHNIQUES,
    "settings": settings.TECHNIQUES,
}
TECHNIQUES: Mapping[str, Technique] = {
    name: technique for family in FAMILIES.values() for name, technique in family.items()
}


def evade(name: str, text: str, seed: int = 0) -> str:
    """The text disguised by the technique of that name."""
    return TECHNIQUES[name](text, Random(f"{seed}/{name}/{text}"))
