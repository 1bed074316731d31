"""Whoever moves rollouts, and sees to what a move leaves behind."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from finetune.errors import RolloutFailed
from finetune.notify import Event, Notifier
from finetune.rollout.book import Book, Rollout
from finetune.rollout.contract import Drained, Live
from finetune.rollout.controller import Moved, Traffic, advance, moves_on
from gateway.ledger.contract import LedgerFailed

log = logging.getLogger(__name__)


class Gateway(Traffic, Protocol):
    """Who moves traffic, and unloads what has none any more; raises RolloutFailed."""

    async def drain(self, old: Live, new: str, needed: Collection[str] = ()) -> Drained:
        """Retire what earlier retrainings left, but for what is needed, and what a rollback of any alias needs."""
        ...

    async def discard(self, version: str, needed: Collection[str] = ()) -> Drained:
        """Retire what did not come into traffic to stay, where nothing needs it."""
        ...


@dataclass(frozen=True, slots=True)
class Mover:
    """The book of one worker, and one gateway's traffic."""

    book: Book
    registry: Gateway
    notifier: Notifier = Notifier()  # noqa: RUF009 - it holds no webhooks

    async def look(self) -> list[Moved]:
        """Move what may be moved."""
        moved = await advance(self.book, self.registry)
        await self.see_to(moved)
        return moved

    async def move(self, rollout: Rollout, now: datetime) -> list[Moved]:
        """Move one that this worker holds; what that leaves behind is still to be seen to."""
        return [each async for each in moves_on(self.book, self.registry, rollout.id, now)]

    async def see_to(self, moved: Sequence[Moved]) -> None:
        """Tell of moves; retire what earlier versions left where one went live, and the one that did not."""
        for each in moved:
            log.info("%s", each.told)
            self._tell(each)
        for each in moved:
            try:
                await self._cleared(each)
            except (RolloutFailed, LedgerFailed) as error:
                # the move is made, and stands; the next drain retires what stays loaded
                log.warning("what %s leaves behind stays loaded: %s", each.rollout.id, error)

    def _tell(self, moved: Moved) -> None:
        """Webhooks hear of a move, whoever made it."""
        event: Event = "rollout.rolled_back" if moved.move.state == "rolled_back" else "rollout.moved"
        rollout = moved.rollout
        self.notifier.tell(
            event, moved.told, rollout=rollout.id, version=rollout.version, state=moved.move.state
        )

    async def _cleared(self, moved: Moved) -> None:
        """What a move leaves loaded for nothing is retired."""
        rollout = moved.rollout
        if moved.move.state == "live":
            old = Live(rollout.baseline, None, {rollout.baseline: 1.0})
            drained = await self.registry.drain(old, rollout.version, await self.book.needed())
            log.info("%s", drained.told)
        elif moved.move.ends:
            needed = await self.book.needed(but=rollout.retraining_id)
            log.info("%s", (await self.registry.discard(rollout.version, needed)).told)
