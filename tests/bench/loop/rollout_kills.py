"""kill -9 of worker, gateway, engine and database at each moment of each step of a rollout: what becomes of it.

    python -m tests.bench.loop rollout_kills [--quick]

The rollout goes staged → shadow → canary 1, 5, 25 % → live, or is rolled back from the shadow or a canary. Outcomes are
written by hand; everything else is real (tests/bench/loop/killing/mover.py).
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from sqlalchemy import text

from finetune.rollout.book import Book
from finetune.rollout.contract import Live
from finetune.rollout.machine import Move
from finetune.rollout.plan import RolloutRules
from finetune.rollout.registry import GatewayRegistry
from finetune.runs import Worker
from gateway.admin.client import AdminClient
from gateway.ledger.database import Database
from tests.bench.loop.killing.adapter import small_adapter
from tests.bench.loop.killing.trial import (
    LEASE_SECONDS,
    SHORT_LEASE_SECONDS,
    Stack,
    Trial,
    WorkerProcess,
    missing,
    unserved,
)
from tests.bench.loop.kills import stack

PAIRS = 8
RULES = RolloutRules(
    shadow_pairs=PAIRS, step_pairs=PAIRS, shares=(0.01, 0.05, 0.25), flagged_margin=0, settle_seconds=0
)
WAY = ("staged 0", "shadow 0.1", "canary 0.01", "canary 0.05", "canary 0.25")
MOMENTS = ("intend", "traffic", "settle")
say = Console(stderr=True)


def points() -> list[tuple[str, str, str]]:
    """Victim, moment, and the state in which traffic goes bad, if it does."""
    good = [
        (who, f"{state}: {moment}", "")
        for state in WAY
        for moment in MOMENTS
        for who in ("worker", "gateway")
    ]
    away = [(who, f"{state}: settle", "") for state in WAY for who in ("database", "engine")]
    bad = [
        (who, f"{state}: {moment}", state)
        for state in ("shadow 0.1", "canary 0.01", "canary 0.25")
        for moment in MOMENTS
        for who in ("worker", "gateway", "database")
    ]
    return [*good, *away, *bad]


def measure(quick: bool) -> dict[str, Any]:
    """How many rollouts came to the right end by themselves, each move made once."""
    asked = points()[::12] if quick else points()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, stack(Path(folder)) as served:
        told = track(enumerate(asked, 1), "rollout kills", total=len(asked), console=say)
        trials = [trial(served, *point, number) for number, point in told]
    wrong = [f"{each.victim} at {each.step}: {'; '.join(each.wrong)}" for each in trials if each.wrong]
    for line in wrong:
        say.print(f"[red]{line}[/]")
    how = "staged → shadow → canary 1, 5, 25 % → live, or rolled back; SIGKILL before a move is written down, and after"
    share = (len(trials) - len(wrong)) / len(trials)
    return {
        "rollout_kill_points": {"value": len(trials), "bar": 40, "met": len(trials) >= 40, "how": how},
        "rollout_kills_survived": {
            "value": share,
            "bar": 1.0,
            "met": not wrong,
            "how": f"{how}; every move made once, and the right version answers; wrong: {wrong or 'none'}",
        },
    }


def trial(stack: Stack, victim: str, step: str, bad: str, number: int) -> Trial:
    """One rollout of a version of its own, during which `victim` is killed as it comes to `step`."""
    found, version = Trial(victim, step), f"rolled-{number:03d}"
    before, rollout = asyncio.run(begun(stack, version, number))
    more = {"rollout": rollout, "bad": bad, "pairs": PAIRS}
    lease = SHORT_LEASE_SECONDS if victim == "worker" else LEASE_SECONDS

    def mover(seconds: float) -> WorkerProcess:
        return WorkerProcess(stack, number, seconds, "tests.bench.loop.killing.mover", more)

    worker = mover(lease)
    if not worker.comes_to(step):
        found.wrong.append(f"the rollout never came to {step!r}")
    elif victim == "worker":
        worker.kill()
        worker = mover(LEASE_SECONDS)
        found.ended = worker.end()
    else:
        with missing(stack.part(victim)):
            worker.go_on()
            found.ended = worker.end()
    worker.kill()
    found.wrong += wrongs(stack, found, (before, version, rollout), bad)
    return found


async def begun(stack: Stack, version: str, number: int) -> tuple[str, str]:
    """What was live before, and the rollout of a new version, staged."""
    async with (
        Database(stack.database.url) as database,
        AdminClient(stack.gateway.admin_url, stack.admin_key) as admin,
    ):
        registry = GatewayRegistry(admin)
        live = await registry.live("assistant")
        await registry.register(
            version, small_adapter(stack.folder / "rolled" / version, number), {"parent": "base"}
        )
        await registry.stage(version)
        book = Book(database, Worker("trial", 1.0))
        await abandoned(book)
        opened = await book.open(
            "assistant", version, Live(live.version, None, live.weights), RULES, f"rt-{version}"
        )
        return live.version, opened.rollout


async def abandoned(book: Book) -> None:
    """End what a trial that went wrong has left: it is counted, and must not spoil the next."""
    for left in await book.running():
        await asyncio.sleep(LEASE_SECONDS if left.owner else 0)
        if await book.take(left):
            await book.settle(left, Move("stopped", left.share, "its trial went wrong"), {})


def wrongs(stack: Stack, found: Trial, told: tuple[str, str, str], bad: str) -> list[str]:
    """What must not be after a rollout, whatever died."""
    before, version, rollout = told
    if found.ended is None:
        log = next(stack.folder.glob(f"worker-{int(version[-3:])}.log")).read_text().strip().splitlines()
        return [*found.wrong, f"it did not end: {' | '.join(log[-3:])}"]
    expected, answers = ("rolled_back", before) if bad else ("live", version)
    wrong = [] if found.ended["state"] == expected else [f"it ended {found.ended}"]
    steps, moves = asyncio.run(written(stack.database.url, rollout))
    place = WAY.index(bad) if bad else len(WAY)
    expected_steps, expected_moves = (place + 2, place) if bad else (place + 1, place - 1)
    expected_moves = 0 if bad == WAY[1] else expected_moves
    wrong += [] if len(steps) == expected_steps else [f"{len(steps)} states, not {expected_steps}"]
    wrong += [] if len(moves) == expected_moves else [f"{len(moves)} weights, not {expected_moves}"]
    wrong += [f"{what} was written {times} times" for what, times in steps.items() if times != 1]
    wrong += [f"traffic was given {what} {times} times" for what, times in moves.items() if times != 1]
    return wrong + unserved(stack, answers)


async def written(url: str, rollout: str) -> tuple[dict[str, int], dict[str, int]]:
    """How often each state was entered, and each set of weights put in force."""
    steps = text(
        "SELECT CAST(after AS text), count(*) FROM transitions WHERE kind = 'rollout_step' AND subject = :it GROUP BY 1"
    )
    moves = text(
        "SELECT CAST(after AS text), count(*) FROM transitions WHERE kind = 'rollout' "
        "AND CAST(evidence AS text) LIKE :mark GROUP BY 1"
    )
    async with Database(url) as database, database.read() as connection:
        entered = await connection.execute(steps, {"it": rollout})
        given = await connection.execute(moves, {"mark": f"%{rollout}%"})
        return ({row[0]: row[1] for row in entered}, {row[0]: row[1] for row in given})
