"""Moves rollouts on: reads what traffic has shown, decides, moves the traffic, writes it down.

Any moment may be the last: where a move is to go is written before traffic is moved, and traffic is only moved from
weights that this rollout put in force itself. Whoever finds other weights finds somebody's own change, and stops. So
does whoever finds a move made before and not in force: from a shadow, a rollback leads to the very weights of before.
"""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from finetune.errors import FlipUndone, LeaseLost, RolloutFailed
from finetune.rollout.book import Book, Rollout
from finetune.rollout.machine import Move, decide, retreat
from finetune.rollout.reading import Seen, read_on
from gateway.admin.rollouts import TOOK_BACK, rollout_of

log = logging.getLogger(__name__)
MOST_MOVES = 8  # in one look: a rollout without steps goes all the way at once


class Traffic(Protocol):
    """Who moves traffic; raises RolloutFailed, FlipUndone where somebody else has moved it, and LeaseLost.

    Evidence that names a rollout and a worker is a fence: it is moved only while that worker holds the rollout.
    """

    async def weights(self, alias: str) -> dict[str, float]:
        """An alias's weights."""
        ...

    async def moves(self, alias: str) -> Sequence[Mapping[str, Any]]:
        """An alias's rollouts and rollbacks, the latest first."""
        ...

    async def put(
        self,
        alias: str,
        weights: Mapping[str, float],
        cause: str,
        evidence: Mapping[str, Any],
        expected: Mapping[str, float],
    ) -> None:
        """Put weights in force in place of those that are expected."""
        ...


@dataclass(frozen=True, slots=True)
class Moved:
    """A rollout that was moved, and where it stood before."""

    rollout: Rollout
    move: Move

    @property
    def told(self) -> str:
        """One line for people."""
        share = f" at {self.move.share:.0%}" if self.move.state in ("canary", "shadow") else ""
        return f"{self.rollout.alias}: {self.rollout.version} → {self.move.state}{share}: {self.move.why}"


async def advance(book: Book, traffic: Traffic, now: datetime | None = None) -> list[Moved]:
    """Look once at every rollout under way that nobody else holds; what was moved."""
    moved: list[Moved] = []
    for rollout in await book.running():
        if not await book.take(rollout):
            continue
        try:
            async for each in moves_on(book, traffic, rollout.id, now or datetime.now(UTC)):
                moved.append(each)  # noqa: PERF401 - at once: what comes after it may fail
        except LeaseLost as lost:
            log.info("%s", lost)
        except RolloutFailed as error:  # the gateway is away, say: the next look tries again
            log.warning("rollout %s stands still: %s", rollout.id, error)
    return moved


async def moves_on(
    book: Book, traffic: Traffic, rollout_id: str, now: datetime
) -> AsyncGenerator[Moved, None]:
    """Move one as far as it may go now; each move is told once it is made."""
    for _ in range(MOST_MOVES):
        rollout = await book.get(rollout_id)
        if rollout.ended_at is not None:
            return
        seen = await read_on(book, rollout, now)
        move = next_move(rollout, seen, now)
        if move is None:
            return
        yield Moved(rollout, await made(book, traffic, rollout, move, seen))


def next_move(rollout: Rollout, seen: Seen, now: datetime) -> Move | None:
    """What somebody asks for; else back at an alarm, or on with a move that had begun; else what evidence says.

    One that is paused stands still but for those: what is not proven in time is no harm shown.
    """
    if rollout.asked is not None:
        return rollout.asked
    if (back := retreat(seen.evidence, rollout.rules)) is not None:
        return back
    if rollout.moving is not None or rollout.paused:
        return rollout.moving
    return decide(rollout.standing(seen.pairs, seen.paused), seen.evidence, rollout.rules, now)


async def made(book: Book, traffic: Traffic, rollout: Rollout, move: Move, seen: Seen) -> Move:
    """Make a move, or find it made; the move that it came to. Raises RolloutFailed and LeaseLost."""
    evidence = {"rollout": rollout.id, "worker": book.worker.name, "tests": seen.told()}
    here = rollout.weights(rollout.state, rollout.share)
    ways = [here, *([] if rollout.moving is None else [weights_after(rollout, rollout.moving)])]
    wanted = weights_after(rollout, move)
    await book.intend(rollout, move)
    # before the weights: a move that lands in between is then found in force, and not taken for undone
    before = rollout.moving is not None and given(await traffic.moves(rollout.alias), rollout.id) == wanted
    found = await traffic.weights(rollout.alias)
    if found != wanted and (before or found not in ways):
        told = ", ".join(f"{version} {share:g}" for version, share in found.items())
        move = Move("stopped", rollout.share, f"somebody gave {rollout.alias} to {told}: their word stands")
    elif found != wanted:
        back = {TOOK_BACK: [rollout.version]} if move.state == "rolled_back" else {}
        try:
            await traffic.put(rollout.alias, wanted, move.why, evidence | back, found)
        except FlipUndone as undone:
            move = Move("stopped", rollout.share, str(undone))
    await book.settle(rollout, move, evidence)
    return move


def given(moves: Sequence[Mapping[str, Any]], rollout_id: str) -> Mapping[str, float] | None:
    """The weights that a rollout put in force last, if it put any; moves come latest first."""
    return next((move["after"] for move in moves if rollout_of(move) == rollout_id), None)


def weights_after(rollout: Rollout, move: Move) -> dict[str, float]:
    """The alias's weights once a move is made."""
    return rollout.weights(move.state, move.share)
