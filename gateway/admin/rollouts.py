"""Which versions an alias leads to: kept in the ledger, changed in one transaction, followed by gateways."""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.admin.trail import Change, note, trail_in
from gateway.admin.versions import Version, staged_in, versions_in
from gateway.errors import BadRequest, Conflict, NotFound
from gateway.ledger.database import Database
from gateway.ledger.tables import RouteRow
from gateway.routing import Routes, Share

Weights = dict[str, float]
Rule = Callable[[AsyncConnection], Awaitable[None]]  # raises Conflict where a change may not be made
MOVES = ("rollout", "rollback")
MOVED = "moved"  # the code where others are in force than were expected
# In a move's evidence: what it took out of traffic again, since that was found bad.
TOOK_BACK = "took_back"
# Of an alias's moves, how many a rollback looks at.
MEMORY = 1000


@dataclass(frozen=True, slots=True)
class WayBack:
    """What a rollback replaces, by what, and which rollout it undoes: the first of its moves, by its id."""

    here: Weights
    there: Weights
    undoes: int


@dataclass(frozen=True, slots=True)
class Rollouts:
    """The aliases' weights in a database."""

    database: Database

    async def weights(self) -> dict[str, Weights]:
        """Alias → version → weight."""
        async with self.database.read() as connection:
            return await weights_in(connection)

    async def put(
        self,
        alias: str,
        weights: Weights,
        change: Change,
        actor: str,
        expected: Weights | None = None,
        rule: Rule | None = None,
    ) -> Weights:
        """Replace an alias's weights and write down why, in one transaction; the weights before.

        Raises BadRequest naming the field when these cannot be put in force, Conflict when others than `expected`
        are, and what `rule` raises within the transaction. A change that came in several steps tells itself where
        it began.
        """
        async with self.database.write() as connection:
            if rule is not None:
                await rule(connection)
            after = checked(alias, weights, staged_in(await versions_in(connection)))
            before = (await weights_in(connection)).get(alias, {})
            refuse_if_moved(alias, before, expected)
            if before != after:
                await connection.execute(delete(RouteRow).where(RouteRow.alias == alias))
                rows = [{"alias": alias, "version": name, "weight": share} for name, share in after.items()]
                await connection.execute(insert(RouteRow), rows)
                await note(connection, replace(change, before=change.before or before, after=after), actor)
        return before

    async def way_back(self, alias: str, expected: Weights | None = None) -> WayBack:
        """Where a rollback leads, and from where; raises NotFound where there is no such alias.

        Raises Conflict when it leads nowhere else, or others than `expected` are in force.

        Both are of one moment, so that a rollback can be held against what was in force when it was decided.
        """
        async with self.database.read() as connection:
            here = (await weights_in(connection)).get(alias, {})
            stands = standing(await trail_in(connection, MOVES, alias, MEMORY))
        if not here:
            raise NotFound(f"there is no alias {alias[:200]!r}", param="alias")
        refuse_if_moved(alias, here, expected)
        there = dict(stands[0]["before"]) if stands else {}
        if not there:
            raise Conflict(f"{alias} has no earlier weights to go back to", param="alias")
        if there == here:
            told = f"{alias} leads to {in_words(here)} already, where a rollback would bring it"
            raise Conflict(f"{told}: name the weights that you want", param="alias")
        return WayBack(here, there, stands[0]["id"])


def refuse_if_moved(alias: str, found: Weights, expected: Weights | None) -> None:
    """Raise Conflict when somebody else has changed an alias's weights meanwhile."""
    if expected is not None and found != expected:
        here = f"{alias} leads to {in_words(found)}"
        raise Conflict(f"{here}: somebody changed it meanwhile", param="expected", code=MOVED)


def in_words(weights: Weights) -> str:
    """Weights as people read them."""
    return ", ".join(f"{version} {share:g}" for version, share in weights.items()) or "nothing"


def standing(moves: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rollouts that nothing has undone, each by its first move; moves come latest first, and so do they.

    The steps of a canary are one rollout, with what somebody did in between: it goes on only from weights of its own.
    Where it brings the alias back to where it began it has taken itself back, and where it does not say so, as in
    ledgers of before `took_back`, too. Who else rolls back or takes back undoes everything since the alias had what is
    restored; where that is longer ago than the moves, everything in them. What is restored may be within a rollout, a
    step of a canary, as older code rolled back: then that rollout stands as it stood there.
    """
    kept: list[Mapping[str, Any]] = []
    stood: dict[frozenset[tuple[str, float]], list[Mapping[str, Any]]] = {}  # when weights were last had
    for move in reversed(list(moves)):
        stood[same(move["before"])] = list(kept)
        first = first_step(kept, rollout_of(move))
        if first is not None and move["after"] == kept[first]["before"]:
            del kept[first:]
        elif move["kind"] == "rollback" or TOOK_BACK in (move["evidence"] or {}):
            began = beginning(kept, move["after"])
            kept = list(stood.get(same(move["after"]), [])) if began is None else kept[:began]
        elif first is not None:
            del kept[first + 1 :]
        else:
            kept.append(move)
    return kept[::-1]


def same(weights: Weights) -> frozenset[tuple[str, float]]:
    """Weights as they are looked up by."""
    return frozenset(weights.items())


def beginning(kept: Sequence[Mapping[str, Any]], weights: Weights) -> int | None:
    """Where among the moves that are kept the latest is that began from these weights, if any did."""
    return next((place for place in reversed(range(len(kept))) if kept[place]["before"] == weights), None)


def first_step(kept: Sequence[Mapping[str, Any]], rollout: str | None) -> int | None:
    """Where among the moves that are kept a rollout of the loop's began, if it is one and among them."""
    own = (place for place, move in enumerate(kept) if rollout is not None and rollout_of(move) == rollout)
    return next(own, None)


def rollout_of(move: Mapping[str, Any]) -> str | None:
    """The loop's rollout that a move is a step of, if any."""
    return (move["evidence"] or {}).get("rollout")


async def weights_in(connection: AsyncConnection) -> dict[str, Weights]:
    """Alias → version → weight, within a transaction."""
    found: dict[str, Weights] = {}
    for row in await connection.execute(select(*RouteRow.__table__.columns)):
        found.setdefault(row.alias, {})[row.version] = row.weight
    return found


async def routes_in(connection: AsyncConnection) -> tuple[Routes, dict[str, Version]]:
    """What the ledger says within a transaction: the routes, and every version that engines should have."""
    staged = staged_in(await versions_in(connection))
    weights = await weights_in(connection)
    order = list(staged)  # oldest first: the established version keeps the low end of the interval
    aliases = {
        alias: tuple(Share(version, told[version]) for version in sorted(told, key=order.index))
        for alias, told in weights.items()
    }
    return Routes(aliases, {each.id: each.model for each in staged.values()}), staged


def checked(alias: str, weights: Mapping[str, float], staged: Mapping[str, Version]) -> Weights:
    """Weights that may be put in force; raises BadRequest naming the field."""
    if not alias or not weights:
        raise BadRequest("weights: at least one version", param="weights")
    whole = math.isclose(sum(weights.values()), 1, abs_tol=1e-6)
    if not whole or not all(0 <= weight <= 1 for weight in weights.values()):
        raise BadRequest("weights: each between 0 and 1, together 1", param="weights")
    if missing := [version for version in weights if version not in staged]:
        raise BadRequest(f"weights: not staged: {', '.join(missing)[:200]}", param="weights")
    return {version: weight for version, weight in weights.items() if weight > 0}
