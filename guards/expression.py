"""Regular expressions as RE2 runs them: in linear time, on hostile input too."""

from functools import lru_cache
from typing import Any

import re2


@lru_cache(maxsize=1024)
def compiled(expression: str) -> Any:
    """The expression, ready to search; ValueError says why it cannot be."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(f"not a regular expression that RE2 understands: {reason}") from error
