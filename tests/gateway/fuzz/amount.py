"""How many cases are tried: a few each time, and as many as TRIMTAB_TEST_FUZZ says where it does (`make fuzz`)."""

import os
from typing import Any

from hypothesis import HealthCheck

EACH_TIME = 2_000
TOTAL = int(os.environ.get("TRIMTAB_TEST_FUZZ", EACH_TIME))
# For hypothesis: the same few each time, so that nothing fails for somebody who changed nothing; else ever others.
QUICKLY: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "derandomize": TOTAL == EACH_TIME,
    "suppress_health_check": list(HealthCheck),
}


def cases(share: float) -> int:
    """A share of them."""
    return int(TOTAL * share)
