"""How a retraining ended, told to whoever wants to hear."""

from collections.abc import Awaitable

from finetune.errors import FinetuneFailed, RunRefused
from finetune.notify import Event, Notifier
from finetune.retrain import Outcome
from gateway.ledger.contract import LedgerFailed


async def ending_told(work: Awaitable[Outcome], alias: str, notifier: Notifier) -> Outcome:
    """A retraining's outcome, of which webhooks hear; what it failed of, foreseen or not, is told, and raised.

    A worker that may not run now has failed at nothing: another's run goes on.
    """
    try:
        outcome = await work
    except RunRefused:
        raise
    except Exception as error:
        notifier.tell("run.failed", f"{alias}: retraining failed: {why_of(error)}", alias=alias)
        raise
    told = f"{alias}: {told_of(outcome)}"
    notifier.tell(event_of(outcome), told, run=outcome.run, version=outcome.version)
    return outcome


def why_of(error: Exception) -> str:
    """Why it failed, in words that may leave the house: what nobody foresaw may say what people wrote."""
    if isinstance(error, FinetuneFailed | LedgerFailed):
        return str(error)
    return f"{type(error).__name__}, which nobody foresaw: `trimtab finetune status` says more"


def event_of(outcome: Outcome) -> Event:
    """What an outcome is called."""
    if outcome.promoted:
        return "run.promoted"
    return "run.rolling_out" if outcome.rollout else "run.kept"


def told_of(outcome: Outcome) -> str:
    """An outcome in one line: the version, or why there is none."""
    return outcome.version or "; ".join(outcome.reasons)
