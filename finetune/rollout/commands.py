"""What the commands of `trimtab finetune rollout` do, once their settings are read."""

import getpass
import logging
import math
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from finetune.errors import Unready
from finetune.ledger import ledger
from finetune.notify import telling
from finetune.printing import print_json
from finetune.rollout.bars import bar_of, bar_told
from finetune.rollout.book import Book, Rollout
from finetune.rollout.evidence import Evidence, read_evidence
from finetune.rollout.looking import Looking
from finetune.rollout.machine import Move, lacking
from finetune.rollout.mover import Mover
from finetune.rollout.reading import PAIRING, kept_in
from finetune.rollout.registry import GatewayRegistry
from finetune.runs import this_worker
from finetune.settings import Situation
from gateway.admin.client import AdminClient

log = logging.getLogger(__name__)


@asynccontextmanager
async def mover(situation: Situation) -> AsyncIterator[Mover]:
    """The real one; raises Unready where there is no admin key."""
    if situation.admin_key is None:
        raise Unready("there is no admin key: set TRIMTAB_FINETUNE_ADMIN_KEY, or start `trimtab up`")
    told = situation.settings
    async with (
        telling(told.webhooks) as notifier,
        ledger(situation) as database,
        AdminClient(situation.admin_url, situation.admin_key) as admin,
    ):
        registry = GatewayRegistry(admin, allow_gap=told.rollout.allow_gap)
        yield Mover(Book(database, this_worker(told.lease_seconds)), registry, notifier)


async def watch(situation: Situation, every_seconds: float, *, once: bool) -> None:
    """Look for ever, or once."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(message)s")
    logging.getLogger("finetune").setLevel(logging.INFO)
    async with mover(situation) as moving:
        if once:
            await moving.look()
            return
        log.info("looking every %g s; ctrl-C or SIGTERM stops", every_seconds)
        await Looking(moving.look, every_seconds).forever()


async def steer(
    situation: Situation, rollout_id: str, state: Literal["live", "rolled_back"], why: str
) -> None:
    """Move one by hand, at once where no worker holds it, else at its next look."""
    async with mover(situation) as moving:
        book = moving.book
        rollout = await book.get(rollout_id)
        move = Move(state, 1.0 if state == "live" else 0.0, why)
        await book.ask(rollout, move, getpass.getuser())
        if await book.take(rollout):
            moved = await moving.move(rollout, rollout.moved_at)
            for each in moved:
                Console().print(each.told, highlight=False)
            await moving.see_to(moved)
            return
    Console().print(f"{rollout.owner} holds it, and will move it at its next look", highlight=False)


async def pause(situation: Situation, rollout_id: str, *, paused: bool) -> None:
    """Let one stand, or go on."""
    async with ledger(situation) as database:
        book = Book(database, this_worker(situation.settings.lease_seconds))
        await book.pause(await book.get(rollout_id), getpass.getuser(), paused=paused)
    Console().print(f"{rollout_id} {'stands still' if paused else 'goes on'}", highlight=False)


async def show_all(situation: Situation, limit: int, *, as_json: bool) -> None:
    """The latest rollouts."""
    async with ledger(situation) as database:
        found = await Book(database, this_worker(1.0)).latest(limit)
    if as_json:
        print_json({"rollouts": [told_of(each, {}, 0) for each in found]})
        return
    table = Table(title="Rollouts", title_justify="left")
    for column in ("rollout", "alias", "version", "state", "share", "last reason"):
        table.add_column(column, overflow="fold")
    for each in found:
        state = f"{each.state} (paused)" if each.paused and each.ended_at is None else each.state
        last = each.reasons[-1] if each.reasons else ""
        table.add_row(each.id, each.alias, each.version, state, f"{each.share:.0%}", escape(last))
    Console().print(
        table if found else "There was no rollout yet; a retraining with rollout.how: steps begins one."
    )


async def show_one(situation: Situation, rollout_id: str, *, as_json: bool) -> None:
    """One rollout with its tests."""
    async with ledger(situation) as database:
        rollout = await Book(database, this_worker(1.0)).get(rollout_id)
        async with database.read() as connection:
            kept = await kept_in(connection, rollout_id)
    pairs = int(kept.pop(PAIRING, {}).get("pairs", 0))
    found = {name: read_evidence(told) for name, told in kept.items()}
    if as_json:
        print_json(told_of(rollout, found, pairs))
        return
    console = Console()
    console.print(f"[bold]{rollout.id}[/]: {rollout.version} into {rollout.alias}, beside {rollout.baseline}")
    console.print(
        f"{rollout.state} at {rollout.share:.0%} since {rollout.moved_at:%Y-%m-%d %H:%M} UTC, {pairs} pairs"
    )
    for reason in rollout.reasons:
        console.print(f"  · {escape(reason)}", highlight=False)
    console.print(tests_table(rollout, found))
    if rollout.ended_at is None:
        console.print(
            f"missing: {escape(lacking(rollout.standing(pairs), found, rollout.rules))}", highlight=False
        )


def tests_table(rollout: Rollout, found: Mapping[str, Evidence]) -> Table:
    """Each test: what it bets against, what it has seen, and how its wealth stands."""
    table = Table(title="Tests, looked at after every pair", title_justify="left")
    for column in ("test", "pairs", "worse", "better", "e-value", "decides at"):
        table.add_column(column)
    for name, each in found.items():
        counts = (str(each.pairs), str(each.worse), str(each.better))
        table.add_row(
            name, *counts, f"{math.exp(min(each.log, 700)):.3g}", bar_told(bar_of(name, rollout.rules))
        )
    return table


def told_of(rollout: Rollout, found: Mapping[str, Evidence], pairs: int) -> dict[str, Any]:
    """A rollout for machines."""
    return {
        "id": rollout.id,
        "alias": rollout.alias,
        "version": rollout.version,
        "baseline": rollout.baseline,
        "state": rollout.state,
        "share": rollout.share,
        "paused": rollout.paused,
        "pairs": pairs,
        "reasons": list(rollout.reasons),
        "retraining": rollout.retraining_id,
        "created_at": rollout.created_at.isoformat(),
        "ended_at": rollout.ended_at and rollout.ended_at.isoformat(),
        "tests": {name: each.document() for name, each in found.items()},
    }
