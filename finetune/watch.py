"""Retrains whenever enough new pairs are there; one run at a time, here and everywhere.

A run that fails is taken up again at the next look, at the step where it failed, and after a few
failures in a row left alone until there is more to learn from; one that cannot even be claimed, too.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from finetune.claims import How
from finetune.errors import FinetuneFailed, GatewayAway, NothingToResume, RolloutUnderWay, RunUnderWay
from finetune.faults import faults_told
from finetune.retrain import Outcome
from finetune.train.memory import let_go
from gateway.ledger.contract import LedgerFailed

MOST_FAILURES = 3

log = logging.getLogger(__name__)


async def nothing() -> None:
    """No reason either way."""


@dataclass
class Watch:
    """Looks every so often.

    `pending` counts new pairs that are worth a training, `unfinished` says whether a run was left, `held` why none may
    begin now, and `called` why one should beyond the number of new pairs; `in_vain` hears where that found nothing new.
    With `min_new_pairs` 0 new pairs alone do not count.
    """

    every_seconds: float
    min_new_pairs: int
    pending: Callable[[], Awaitable[int]]
    unfinished: Callable[[], Awaitable[bool]]
    run: Callable[[How], Awaitable[Outcome]]
    # New pairs that a run has seen and not trained on: so many more must be there before another begins.
    passed_over: int = 0
    failures: int = 0  # in a row; not 0 at the start when the last worker's run failed
    held: Callable[[], Awaitable[str | None]] = nothing
    called: Callable[[], Awaitable[str | None]] = nothing
    in_vain: Callable[[], Awaitable[object]] = nothing
    chores: Callable[[], Awaitable[object]] = nothing  # at every look, whether or not a run begins

    async def forever(self) -> None:
        """Look until cancelled; cancelling leaves a run under way to the next worker."""
        while True:
            await self.look()
            let_go()  # here no error's traceback holds on to a model any more
            await asyncio.sleep(self.every_seconds)

    async def look(self) -> Outcome | None:
        """One look: a run's outcome, or None when there was no reason to run or it could not."""
        how: How | None = None
        try:
            with faults_told():
                await self.chores()
                how = await self._reason()
                outcome = await self.run(how) if how else None
        except (RunUnderWay, RolloutUnderWay, GatewayAway) as refused:
            self.passed_over = 0
            log.info("%s", refused)
            return None
        except NothingToResume as refused:
            self.failures = self.passed_over = (
                0  # what failed had not begun, or somebody else has gone on with it
            )
            log.info("%s", refused)
            return None
        except (FinetuneFailed, LedgerFailed) as error:
            self._failed(how, str(error))
            return None
        if outcome is not None:
            self.failures = 0
            self.passed_over = 0 if outcome.trained_on else self.passed_over
        return outcome

    def _failed(self, how: How | None, told: str) -> None:
        """Count and tell a run's failure; where none was begun, nothing is there to be taken up again."""
        if how is None:
            log.error("whether to retrain cannot be told now: %s", told)
            return
        self.failures += 1
        if how == "either" and self.failures == MOST_FAILURES:
            self.passed_over = sys.maxsize  # all that waits now has had its tries
        log.error("retraining failed (%d in a row): %s", self.failures, told)

    async def _reason(self) -> How | None:
        """How to run now, if at all."""
        left = await self.unfinished()
        if left and self.failures < MOST_FAILURES:
            return "either"
        if 0 < self.failures < MOST_FAILURES:
            return "resume"
        count = await self.pending()
        self.passed_over = min(self.passed_over, count)
        needed = self.passed_over + self.min_new_pairs
        enough = bool(self.min_new_pairs) and count >= needed
        why = None if enough else await self.called()
        log.info(
            "%d pairs wait for a retraining%s",
            count,
            f"; it begins at {needed}" if self.min_new_pairs else "",
        )
        if not enough and (why is None or count <= self.passed_over):
            if why is not None:
                await self.in_vain()
            return None
        if (held := await self.held()) is not None:
            log.info("no run begins now: %s", held)
            return None
        log.info("a run begins: %s", why or f"{count} new pairs")
        self.passed_over = count
        return "either" if left else "new"
