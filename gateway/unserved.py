"""Whether engines answer, and serve the models that routes lead to: told in the log when either changes.

Nothing waits for it, nothing fails by it: an engine may come up later, a provider may serve what it does not list.
"""

import asyncio
import logging
from collections.abc import Mapping

from gateway.background import Running, running
from gateway.engines.pool import Pool
from gateway.routing import Router, Routes

EVERY_SECONDS = 2.0
MOST_NAMES = 20  # of what engines serve, in one line; some providers list hundreds
log = logging.getLogger(__name__)


def compared(pool: Pool, router: Router, every_seconds: float = EVERY_SECONDS) -> Running:
    """The task that compares, for as long as the block lasts."""
    return running(_compare(pool, router, every_seconds), "models compared")


async def _compare(pool: Pool, router: Router, every_seconds: float) -> None:
    up = frozenset(pool.status())
    before: tuple[frozenset[str], frozenset[str]] | None = None
    while True:
        routed = routed_by(router.current)
        now = frozenset(name for name, well in pool.status().items() if well), frozenset(routed)
        tell([silent(name) for name in sorted(up - now[0])])
        up = now[0]
        if now != before:
            before = now
            tell(unserved(routed, await pool.listed()))
        await asyncio.sleep(every_seconds)


def routed_by(routes: Routes) -> dict[str, str]:
    """The engines' names for the models that requests are led to, and of each the alias that needs it."""
    return {
        routes.models[share.version]: alias
        for alias, shares in routes.aliases.items()
        for share in shares
        if share.weight > 0
    }


def unserved(routed: Mapping[str, str], listed: Mapping[str, tuple[str, ...]]) -> list[str]:
    """A sentence for each model that nobody serves; none where no engine tells what it serves."""
    served = list(dict.fromkeys(name for names in listed.values() for name in names))
    if not served:
        return []
    more = f" and {len(served) - MOST_NAMES} more" if len(served) > MOST_NAMES else ""
    they = ", ".join(served[:MOST_NAMES]) + more
    return [
        f"no engine serves the model {model!r}, which {alias!r} leads to; they serve: {they}"
        for model, alias in routed.items()
        if model not in served
    ]


def silent(engine: str) -> str:
    """A sentence for an engine that is gone, or was never there."""
    return f"engine {engine!r} does not answer; it is asked for its health every {EVERY_SECONDS:g} s"


def tell(sentences: list[str]) -> None:
    """Write them into the log."""
    for sentence in sentences:
        log.warning(sentence)
