"""A worker that moves one rollout on and stands still at every moment that matters: `python -m … JSON`.

Book, leases, evidence, the registry and the gateway are real; only the outcomes are written by hand, as many in each
state as the rules ask for, so that a trial takes seconds. It tells each moment on a line, and waits for a line.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any

from sqlalchemy import func, insert, select

from finetune.rollout.book import Book, Rollout
from finetune.rollout.controller import advance
from finetune.rollout.machine import Move
from finetune.rollout.registry import GatewayRegistry
from finetune.runs import Worker
from gateway.admin.client import AdminClient
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.ledger.rollout_tables import OutcomeRow
from tests.bench.loop.killing.worker import say

EVERY_SECONDS, LOOKS = 0.4, 150
BAD = 60  # pairs, all of them flagged on the new side: enough for any alarm


class HaltingBook(Book):
    """Stands still before it writes down where to, before traffic is moved, and before it writes that it was."""

    async def intend(self, rollout: Rollout, move: Move) -> None:
        say(step=f"{rollout.state} {rollout.share:g}: intend")
        await super().intend(rollout, move)
        say(step=f"{rollout.state} {rollout.share:g}: traffic")

    async def settle(self, rollout: Rollout, move: Move, evidence: Mapping[str, Any]) -> None:
        say(step=f"{rollout.state} {rollout.share:g}: settle")
        await super().settle(rollout, move, evidence)


async def fed(database: Database, rollout: Rollout, pairs: int, *, bad: bool) -> None:
    """Outcomes of the state that the rollout is in, unless they are there; each of a conversation of its own."""
    arm = {"shadow": "shadow", "canary": "canary"}.get(rollout.state)
    if arm is None:
        return
    mark = f"{rollout.id} {rollout.state} {rollout.share:g}"
    async with database.write() as connection:
        here = select(func.count()).where(OutcomeRow.version.startswith(mark))
        if await connection.scalar(here):
            return
        now, numbers = datetime.now(UTC), count()
        rows = [
            outcome(rollout, each, f"{mark} {each} {number}", now, flagged=bad and each == arm)
            for number in range(BAD if bad else pairs)
            for each in (arm, "stable")
        ]
        await connection.execute(insert(OutcomeRow), [row | {"words": 9 + next(numbers) % 2} for row in rows])


def outcome(rollout: Rollout, arm: str, mark: str, now: datetime, *, flagged: bool) -> dict[str, Any]:
    """One row; a shadow's exchange is the one that it is a copy of."""
    exchange = mark.rpartition(" ")[2] + mark.rpartition(f" {arm} ")[0]
    return {
        "rollout_id": rollout.id,
        "exchange_id": exchange,
        "arm": arm,
        "version": mark,
        "conversation": mark,
        "admitted_at": now,
        "flagged": flagged,
        "refused": False,
        "failed": False,
        "reward": 0.0,
    }


async def main(told: dict[str, Any]) -> None:
    """Look as a watch does until the rollout is over."""
    worker = Worker(told["worker"], told["lease"])
    async with (
        Database(told["database"]) as database,
        AdminClient(told["admin_url"], told["admin_key"]) as admin,
    ):
        book, traffic = HaltingBook(database, worker), GatewayRegistry(admin)
        for _ in range(LOOKS):
            with suppress(LedgerFailed):  # it is away: the next look will do
                rollout = await book.get(told["rollout"])
                if rollout.ended_at is not None:
                    say(ended={"state": rollout.state, "reasons": list(rollout.reasons)})
                    return
                bad = told["bad"] == f"{rollout.state} {rollout.share:g}"
                await fed(database, rollout, told["pairs"], bad=bad)
                await advance(book, traffic)
            await asyncio.sleep(EVERY_SECONDS)
    say(ended=None)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
