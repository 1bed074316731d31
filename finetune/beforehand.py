"""What stands against a retraining and is found out in a moment, before models are loaded and anything is begun."""

import asyncio

from finetune.claims import How, left_for, refuse_if_held, unfinished
from finetune.errors import ExamFailed, GatewayAway, RolloutUnderWay, Unready
from finetune.exams.contract import ExamPlan
from finetune.exams.exam import questions_of
from finetune.exams.report import BENIGN_KINDS, UNSAFE_KINDS
from finetune.rollout.book import Book
from finetune.rollout.contract import Rollouts
from finetune.runs import Worker
from finetune.settings import Situation
from gateway.admin.client import AdminClient, AdminFailed, AdminRefused, AdminUnavailable
from gateway.ledger.database import Database

NOT_TAKEN = (401, 403)
NO_KEY = "there is no admin key: start `trimtab up` with the same home, or set TRIMTAB_FINETUNE_ADMIN_KEY"


async def refuse_at_once(situation: Situation, database: Database, worker: Worker, how: How) -> None:
    """Raise RunRefused where this worker may not run now, or Unready where it would be in vain or has no valid key.

    A gateway that is away stops no run that was begun before: it needs it again at its last steps.
    """
    alias = situation.plan.alias
    async with database.read() as connection:
        if (found := await unfinished(connection, alias)) is not None:
            refuse_if_held(found, worker)
    begins = how == "new" or (how == "either" and found is None)
    if begins:  # one that was left goes on by the exam that it began with
        await refuse_small(situation)
        await refuse_under_way(Book(database, worker), alias)
    await refuse_deaf(situation, begins=begins)  # before the next: a watch counts a wrong key's tries
    async with database.read() as connection:
        await left_for(connection, alias, how)


async def refuse_small(situation: Situation) -> None:
    """Raise Unready where the exam asks so little that no gate lets anything pass: a training would be for nothing."""
    told = await asyncio.to_thread(too_small, situation.plan.exam, situation.plan.bars.fewest_prompts)
    if told is not None:
        raise Unready(told)


def too_small(exam: ExamPlan, fewest: int) -> str | None:
    """What the main exam lacks of prompts, in words; None where it has enough. Raises Unready where it has a fault."""
    try:
        kinds = [question.kind for question in questions_of(exam)]
    except ExamFailed as error:
        raise Unready(f"finetune.exam: {error}") from error
    harmful, harmless = (sum(kind in those for kind in kinds) for those in (UNSAFE_KINDS, BENIGN_KINDS))
    if min(harmful, harmless) >= fewest:
        return None
    return (
        f"finetune.exam.prompts: {harmful} prompts of kind {' or '.join(UNSAFE_KINDS)} and {harmless} of kind "
        f"{' or '.join(BENIGN_KINDS)}; the gate asks for {fewest} of each (finetune.bars.fewest_prompts), and would "
        "keep out whatever was trained"
    )


async def refuse_under_way(rollouts: Rollouts, alias: str) -> None:
    """Raise RolloutUnderWay while the version before is on its way into traffic."""
    if (told := await rollouts.under_way(alias)) is not None:
        way = "wait for its end, or end it by `trimtab finetune rollout promote` or `rollback`"
        raise RolloutUnderWay(f"{alias} takes one new version at a time, and {told}: {way}")


async def refuse_deaf(situation: Situation, *, begins: bool) -> None:
    """Raise Unready where the gateway takes no such key or has no such alias, GatewayAway where it must be there."""
    if situation.admin_key is None:
        raise Unready(NO_KEY)
    async with AdminClient(situation.admin_url, situation.admin_key) as admin:
        try:
            aliases = await admin.rollouts()
        except AdminRefused as error:
            raise Unready(refusal(situation, error)) from error
        except AdminUnavailable as error:
            if not begins:
                return
            raise GatewayAway(
                f"no run was begun: {error}; is the gateway up? `trimtab up` starts it"
            ) from error
        except AdminFailed as error:
            raise Unready(f"{error} Set finetune.admin_url to the gateway's admin API") from error
    if situation.plan.alias not in aliases:
        raise Unready(
            f"the gateway has no alias {situation.plan.alias!r}; set `alias` to one that it has: {', '.join(aliases)}"
        )


def refusal(situation: Situation, error: AdminRefused) -> str:
    """What to do about a key that is not taken, or about any other refusal."""
    if error.status not in NOT_TAKEN:
        return f"the gateway at {situation.admin_url} answers: {error}"
    told = f"the gateway at {situation.admin_url} does not take the admin key of {situation.admin_key_from}"
    return f"{told}: put a valid one there; `trimtab keys create NAME --role admin` makes one"
