"""Retrains whenever enough new pairs are there; one run at a time, here and everywhere.

A run that fails is taken up again at the next look, at the step where it failed, and after a few
failures in a row left alone until there is more to learn from.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from finetune.claims import How
from finetune.errors import FinetuneFailed, RunUnderWay
from finetune.retrain import Outcome
from gateway.ledger.contract import LedgerFailed

MOST_FAILURES = 3

log = logging.getLogger(__name__)


@dataclass
class Watch:
    """Looks every so often; `pending` counts new pairs, `unfinished` says whether a run was left."""

    every_seconds: float
    min_new_pairs: int
    pending: Callable[[], Awaitable[int]]
    unfinished: Callable[[], Awaitable[bool]]
    run: Callable[[How], Awaitable[Outcome]]
    failures: int = 0  # in a row; not 0 at the start when the last worker's run failed

    async def forever(self) -> None:
        """Look until cancelled; cancelling leaves a run under way to the next worker."""
        while True:
            await self.look()
            await asyncio.sleep(self.every_seconds)

    async def look(self) -> Outcome | None:
        """One look: a run's outcome, or None when there was no reason to run or it could not."""
        try:
            how = await self._reason()
            outcome = await self.run(how) if how else None
        except RunUnderWay as refused:
            log.info("%s", refused)
            return None
        except (FinetuneFailed, LedgerFailed) as error:
            self.failures += 1
            log.error("retraining failed (%d in a row): %s", self.failures, error)  # noqa: TRY400 - for people
            return None
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the watch; its text may hold prompts
            self.failures += 1
            where = "".join(traceback.format_tb(error.__traceback__))
            kind = type(error).__name__
            log.error("retraining broke (%d in a row): %s\n%s", self.failures, kind, where)  # noqa: TRY400
            return None
        if outcome is not None:
            self.failures = 0
        return outcome

    async def _reason(self) -> How | None:
        """How to run now, if at all."""
        if await self.unfinished():
            return "either"
        if 0 < self.failures < MOST_FAILURES:
            return "resume"
        count = await self.pending()
        log.info("%d new pairs; %d are needed for a retraining", count, self.min_new_pairs)
        return "new" if count >= self.min_new_pairs else None
