"""A server that asks itself its probes, on a schedule, through the queue that everyone waits in."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from rewardserve.errors import ScoringError
from rewardserve.probe import Drift, Recorded, drift, values_of
from rewardserve.scorer import Measured, Scorer

log = logging.getLogger(__name__)
Score = Callable[[Sequence[Any]], Awaitable[Sequence[float]]]  # a batcher's
Tell = Callable[[Drift], None]


@asynccontextmanager
async def probing(
    scorer: Scorer[Measured], score: Score, recorded: Recorded | None, seconds: float, tell: Tell
) -> AsyncIterator[None]:
    """Within it, the probes are scored at once and then every so many seconds; None probes nothing."""
    if recorded is None:
        yield
        return
    task = asyncio.create_task(_forever(scorer, score, recorded, seconds, tell), name="reward-probe")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _forever(
    scorer: Scorer[Measured], score: Score, recorded: Recorded, seconds: float, tell: Tell
) -> None:
    while True:
        try:
            found = await probed(scorer, score, recorded)
        except ScoringError as error:
            log.warning("the probes could not be scored: %s", error.message)
        else:
            tell(found)
            log.info("probes: %.4f deviations at most, at %s", found.largest, found.where or "none")
        await asyncio.sleep(seconds)


async def probed(scorer: Scorer[Measured], score: Score, recorded: Recorded) -> Drift:
    """How far the scorer is now from what was recorded; one conversation in the queue at a time."""
    now = []
    for probe in recorded.probes:
        items = await asyncio.to_thread(scorer.prepare, probe.messages, probe.candidates)
        now.append(values_of(await score(items)))
    return drift(recorded, now)
