"""Pairs whose chosen answer would teach somebody's personal data, or a secret. Pure.

Traffic is redacted before it is written down; this looks at what came otherwise, such as an operator's edit or a
policy that did not redact. Placeholders of redaction are no answer to learn either, where they are most of it.
"""

import re
from functools import cache

from finetune.pairs.pair import Pair
from finetune.pairs.similarity import words
from guards.detectors.lists import PatternConfig
from guards.detectors.patterns import PatternGuard

SETS = ("personal", "secrets")
PLACEHOLDER = re.compile(r"\[[A-Z][A-Z_ ]{2,30}\d*\]")
MOST_PLACEHOLDERS = 0.2  # of an answer's words


@cache
def detector() -> PatternGuard:
    """The package's own patterns of personal data and secrets, compiled once."""
    return PatternGuard("pairs", PatternConfig(sets=SETS).chosen())


def is_private(pair: Pair) -> bool:
    """Whether the chosen answer holds personal data or a secret, or is mostly what redaction left."""
    held = len(PLACEHOLDER.findall(pair.chosen))
    if held and held > MOST_PLACEHOLDERS * len(words(pair.chosen)):
        return True
    return bool(detector().judge(pair.chosen).spans)
