"""One worker, one run: claims it, shows signs of life, follows the journey and writes its end down."""

import asyncio
from collections.abc import Awaitable

from finetune.beforehand import refuse_under_way
from finetune.claims import How, claim, left_for, trained_in
from finetune.errors import FinetuneFailed, RunRefused
from finetune.plan import Plan, plan_from
from finetune.progress import Progress
from finetune.retrain import Outcome, Tools, retrain
from finetune.runs import Run, Worker
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database


async def work(
    database: Database, worker: Worker, plan: Plan, tools: Tools, progress: Progress, how: How = "either"
) -> Outcome:
    """Go on with the unfinished run, by its own plan, or begin one by this plan; raises what stopped it.

    Cancelling leaves the run unfinished and free to be gone on with at once. None begins where it could never train,
    nor while the version before is on its way into traffic.
    """
    await refuse_in_vain(database, plan.alias, tools, how)
    run = await claim(database, worker, plan.document(), progress, how)
    try:
        outcome = await alive(run, retrain(run, plan_from(run.parameters), tools))
    except asyncio.CancelledError:
        await run.release()
        raise
    except RunRefused:
        raise  # it belongs to another worker, who will write its end down
    except Exception as error:
        await run.end("failed", (why_failed(error),))
        raise
    await run.end(state_of(outcome), outcome.reasons)
    return outcome


async def refuse_in_vain(database: Database, alias: str, tools: Tools, how: How) -> None:
    """Raise what a run could only fail of, hours later; one whose training is done needs no room for it any more."""
    async with database.read() as connection:
        left = await left_for(connection, alias, how)
        trained = left is not None and await trained_in(connection, left.id)
    if left is None:
        await refuse_under_way(tools.rollouts, alias)
    if not trained:
        tools.trainable()
        await tools.devices.check()


def why_failed(error: Exception) -> str:
    """Why a run failed: in our own words, or by its kind and words where nobody foresaw it."""
    foreseen = isinstance(error, FinetuneFailed | LedgerFailed)
    return str(error) if foreseen else f"{type(error).__name__}: {error}"


def state_of(outcome: Outcome) -> str:
    """The state in which a run ends."""
    if outcome.promoted:
        return "promoted"
    return "rolling out" if outcome.rollout else "kept"


async def alive(run: Run, journey: Awaitable[Outcome]) -> Outcome:
    """The journey's outcome, with signs of life meanwhile; a lost lease stops the journey."""
    task = asyncio.ensure_future(journey)
    pulse = asyncio.create_task(beat(run))
    try:
        await asyncio.wait((task, pulse), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            pulse.result()
        return await task
    finally:
        for each in (task, pulse):
            each.cancel()
        await asyncio.gather(task, pulse, return_exceptions=True)


async def beat(run: Run) -> None:
    """Renew the lease three times in its length; returns only by raising."""
    while True:
        await asyncio.sleep(run.worker.lease_seconds / 3)
        await run.renew()
