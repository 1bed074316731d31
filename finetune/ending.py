"""How a retraining ended, told to whoever wants to hear."""

from collections.abc import Awaitable

from finetune.errors import FinetuneFailed, RunRefused
from finetune.notify import Event, Notifier
from finetune.retrain import Outcome
from gateway.ledger.contract import LedgerFailed


async def ending_told(work: Awaitable[Outcome], alias: str, notifier: Notifier) -> Outcome:
    """A retraining's outcome, once webhooks have heard of it; what it failed of is told, and raised.

    A worker that may not run now has failed at nothing: another's run goes on.
    """
    try:
        outcome = await work
    except RunRefused:
        raise
    except (FinetuneFailed, LedgerFailed) as error:
        await notifier.tell("run.failed", f"{alias}: retraining failed: {error}", alias=alias)
        raise
    told = f"{alias}: {told_of(outcome)}"
    await notifier.tell(event_of(outcome), told, run=outcome.run, version=outcome.version)
    return outcome


def event_of(outcome: Outcome) -> Event:
    """What an outcome is called."""
    if outcome.promoted:
        return "run.promoted"
    return "run.rolling_out" if outcome.rollout else "run.kept"


def told_of(outcome: Outcome) -> str:
    """An outcome in one line: the version, or why there is none."""
    return outcome.version or "; ".join(outcome.reasons)
