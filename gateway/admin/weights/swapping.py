"""Bringing full weights to engines, one at a time, while the others answer.

Take an engine out → wait for its requests → pause, reload, forget what was computed, resume, probe → lead requests to
it again. The alias goes along in as many steps; before the last engine of the old weights is taken out, all of the
alias's traffic has gone to the new. An engine that a reload breaks stays out. While the old weights are in force the
whole swap is then undone; afterwards it goes on with the engines that are left.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from gateway.admin.rollouts import Rollouts, Weights
from gateway.admin.trail import Change
from gateway.admin.versions import Versions, staged_in
from gateway.admin.weights.book import LEASE_SECONDS, Book, Swap, TakenOver
from gateway.admin.weights.plan import Move, between, moves, needed
from gateway.background import Running, running
from gateway.engines.contract import EngineFailed
from gateway.engines.reloading import AS_STARTED, LOST, Reload, WeightsLost, lost, reload, started_with
from gateway.engines.replica import Replica, Standing
from gateway.errors import ApiError, Conflict, UpstreamFailed
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.tools import Tools

SETTLE_SECONDS = 1.0  # in which other gateways learn that an engine is out
DRAIN_SECONDS = 300.0  # for its requests in flight
RELOAD_SECONDS = 1800.0
Follow = Callable[[Tools, Database], Awaitable[None]]
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Course:
    """How far a swap has come."""

    swap: Swap
    in_force: Weights
    steps: int = 0
    done: int = 0
    broken: list[str] = field(default_factory=list)

    @property
    def flipped(self) -> bool:
        """Whether all of the alias's traffic has gone over."""
        return not self.swap.alias or self.in_force == self.swap.wanted


@dataclass(frozen=True, slots=True)
class Swapper:
    """Does it; one at a time, which the ledger holds."""

    tools: Tools
    book: Book
    follow: Follow  # puts in force here what the ledger says
    drain_seconds: float = DRAIN_SECONDS

    async def planned(self, alias: str, wanted: Weights) -> list[Move]:
        """What would have to be moved for an alias to be led there; raises Conflict when it cannot be done."""
        database = self.book.database
        needs = {
            each.id: self.tools.engine.weights.needed(each.model)
            for each in staged_in(await Versions(database).all()).values()
        }
        aliases = await Rollouts(database).weights()
        if alias:
            aliases[alias] = dict(wanted)
        known = {name: told for name, told in aliases.items() if all(each in needs for each in told)}
        fixed = any(not each.managed for each in self.tools.engine.replicas)
        held = {each.name: each.held for each in await self._movable()}
        return moves(held, needed(known, needs), AS_STARTED if fixed else None)

    async def run(self, swap: Swap) -> list[str]:
        """Carry a swap out; the engines that it cost. Raises ApiError when it was undone."""
        in_force = (await Rollouts(self.book.database).weights()).get(swap.alias, {})
        course = Course(swap, in_force if swap.alias else {})
        async with self._renewed(swap):
            try:
                await self._bring_about(course)
            except TakenOver:
                raise
            except ApiError as error:
                await self._undo(course, error)
                raise
            except EngineFailed as error:
                await self._undo(course, error)
                raise UpstreamFailed(f"the swap was undone: {error}", code="swap_failed") from error
            await self.book.end(swap, "done", "; ".join(course.broken))
        return course.broken

    async def _bring_about(self, course: Course) -> None:
        """Move what must be moved; once all traffic has gone over, what cannot be moved now is the keeper's."""
        swap = course.swap
        course.steps = max(1, len(await self.planned(swap.alias, swap.wanted)))
        while todo := await self.planned(swap.alias, swap.wanted):
            try:
                await self._make_room(course, todo[0])
                await self._move(swap, todo[0])
            except (Conflict, EngineFailed) as error:
                if isinstance(error, TakenOver) or not course.flipped:
                    raise
                course.broken.append(f"{todo[0].replica}: {error}")
                if not isinstance(error, WeightsLost):
                    break
            course.done += 1
        await self._lead(course, swap.wanted)

    async def _make_room(self, course: Course, move: Move) -> None:
        """Lead so much of the traffic away that the engine can be spared; raises Conflict when it cannot be."""
        replica, swap = self.tools.engine.replica(move.replica), course.swap
        leaving = self._resting_on(replica)
        if not set(leaving) & course.in_force.keys():
            await self._go_along(course)
        elif not (swap.allow_gap or self._served(swap.wanted, replica)):
            told = f"while {replica.name} gets other weights, nobody would answer; allow_gap permits that"
            raise Conflict(told, param="weights", code="gap")
        else:
            await self._lead(course, swap.wanted)
            await asyncio.sleep(SETTLE_SECONDS)  # in which other gateways lead their requests away too
        for version in leaving:
            if not await self.tools.router.drained(version, self.drain_seconds):
                raise Conflict(f"requests are still in flight on {version}", code="in_flight")

    async def _go_along(self, course: Course) -> None:
        """Lead the alias as far as engines have got, where whatever it is led to has one."""
        done = between(course.swap.began, course.swap.wanted, course.done / course.steps)
        if not course.flipped and self._served(done):
            await self._lead(course, done)

    def _resting_on(self, replica: Replica) -> list[str]:
        """The versions that only this engine answers for."""
        weights, models = self.tools.engine.weights, self.tools.router.current.models
        if replica.held is None or self._holders(replica.held, replica):
            return []
        return [version for version, model in models.items() if weights.needed(model) == replica.held]

    async def _move(self, swap: Swap, move: Move) -> None:
        """Give one engine other weights; it is back when this ends, whatever it then holds."""
        replica, weights = self.tools.engine.replica(move.replica), self.tools.engine.weights
        before, served = replica.held, self.tools.settings.base_model
        async with self.tools.changing:
            await self.book.work_on(swap, replica.name)
            replica.take_out()
        try:
            await asyncio.sleep(SETTLE_SECONDS)
            if not await replica.idle(self.drain_seconds):
                raise Conflict(f"requests are still in flight on {replica.name}", code="in_flight")
            path = weights.path(move.weights) or await started_with(replica.engine, served)
            wanted = Reload(before or LOST, move.weights, str(path), served, RELOAD_SECONDS)
            await reload(replica.engine, wanted)
        except WeightsLost:
            log.error(  # noqa: TRY400 - the trace says nothing that the engine's own log does not
                "engine %s lost its weights at %s: it must be started again", replica.name, move.weights
            )
            raise
        finally:
            await asyncio.shield(self._bring_back(swap, replica))
        log.info(
            "an engine has got other weights",
            extra={"fields": {"engine": replica.name, "weights": move.weights}},
        )

    async def _bring_back(self, swap: Swap, replica: Replica) -> None:
        """Say that it is out no more; what it holds decides what it is asked."""
        async with self.tools.changing:
            with suppress(LedgerFailed, Conflict):
                await self.book.work_on(swap, None)
            replica.swapping = False
            await replica.look_at_weights()

    async def _lead(self, course: Course, weights: Weights) -> None:
        """Put weights of the alias in force, here at once and on other gateways within a second."""
        swap = course.swap
        if not swap.alias or weights == course.in_force:
            return
        last = weights == swap.wanted
        change = swap.told if last else Change("swap", swap.alias, {}, {}, swap.change["cause"])
        rollouts = Rollouts(self.book.database)
        async with self.tools.changing:
            await rollouts.put(swap.alias, dict(weights), change, swap.actor, dict(course.in_force))
            course.in_force = weights
            await self.follow(self.tools, self.book.database)

    async def _undo(self, course: Course, error: Exception) -> None:
        """Go back to where the alias was, as far as nobody is left without an answer by it."""
        swap = course.swap
        if not course.flipped or course.in_force == swap.began:
            back = replace(swap, wanted=swap.began, allow_gap=False)
            undone = Course(back, course.in_force)
            undone.swap.change["kind"] = "swap"
            with suppress(ApiError, EngineFailed, LedgerFailed):
                await self._lead(undone, swap.began)
                await self._bring_about(undone)
        log.error("a swap of weights was given up: %s", error)
        await self.book.end(swap, "undone", str(error))

    async def _movable(self) -> list[Replica]:
        """Managed engines that can be worked on now."""
        found = []
        for each in self.tools.engine.weights.managed:
            if not each.up or each.draining:
                continue
            if each.held is None and await lost(each.engine):
                continue
            found.append(each)
        return found

    def _served(self, weights: Weights, without: Replica | None = None) -> bool:
        """Whether every version in these weights has an engine that answers."""
        need = {self.tools.engine.weights.needed(self._model(each)) for each in weights}
        return all(self._holders(each, without) for each in need)

    def _holders(self, weights: str | None, without: Replica | None) -> list[Replica]:
        """Who answers with these weights now."""
        now = time.monotonic()
        return [
            each
            for each in self.tools.engine.replicas
            if each is not without
            and self.tools.engine.weights.of(each) == weights
            and each.standing(now) is Standing.READY
        ]

    def _model(self, version: str) -> str | None:
        return self.tools.router.current.models.get(version)

    def _renewed(self, swap: Swap) -> Running:
        """Stay the swap's owner for as long as the block lasts."""
        return running(self._keep_renewing(swap), "swap's lease")

    async def _keep_renewing(self, swap: Swap) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with suppress(LedgerFailed):
                await self.book.renew(swap)
