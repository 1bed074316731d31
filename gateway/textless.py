"""Values in which nothing is said: what an engine adds to its answers may pass unread only if it is one."""

import re
from functools import lru_cache
from typing import Any

DEEPEST = 16
# As programs name their fields; a name that is no such word may be a token, or a sentence.
FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


def textless(value: Any, deepest: int = DEEPEST) -> bool:
    """Whether a JSON value holds no string: null, numbers, booleans, and lists and objects of those."""
    if isinstance(value, str):
        return not value
    if not isinstance(value, list | dict):
        return True
    if not deepest:
        return False  # nobody nests numbers so deeply
    if isinstance(value, dict):
        if not all(map(is_field_name, value)):
            return False
        value = value.values()
    # In most lists and objects there is nothing to look into.
    return all(textless(each, deepest - 1) for each in value if isinstance(each, str | list | dict))


@lru_cache(1024)
def is_field_name(name: str) -> bool:
    """Whether a program would call a field so; engines use few names, and the same ones always."""
    return FIELD_NAME.fullmatch(name) is not None
