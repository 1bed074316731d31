"""How much of a match must have arrived before a regular expression finds it and all that follows."""

import re
import warnings
from re import _parser  # type: ignore[attr-defined]
from typing import Any

UNBOUNDED = 1_000_000


def onset_of(regex: str) -> int | None:
    """Characters after which every beginning of a match matches too; None when no number is enough.

    A repetition without bound at the very end costs only its first round: what follows grows the match.
    Read with Python's own parser, so None also for what only RE2 understands.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            items = list(_parser.parse(regex))
    except (re.error, OverflowError, RecursionError):
        return None
    return onset_of_items(items)


def onset_of_items(items: list[Any]) -> int | None:
    """The onset of a parsed sequence: all before its last item in full, then the last item's own onset."""
    while items and str(items[-1][0]) == "AT":
        items = items[:-1]
    if not items:
        return 0
    before, last = width(items[:-1]), onset_of_item(*items[-1])
    return None if before is None or last is None else before + last


def onset_of_item(kind: Any, value: Any) -> int | None:
    """The onset of a single item of a parsed sequence."""
    if str(kind) == "SUBPATTERN":
        return onset_of_items(list(value[-1]))
    if str(kind) == "MAX_REPEAT" and value[1] >= UNBOUNDED:
        single = width(list(value[2]))
        return single if single is None or single > 1 else single * max(1, value[0])
    return width([(kind, value)])


def width(items: list[Any]) -> int | None:
    """The longest text that a parsed sequence matches; None without bound."""
    state = _parser.State()
    longest = int(_parser.SubPattern(state, items).getwidth()[1])
    return None if longest >= UNBOUNDED else longest
