"""Which versions an alias leads to: kept in the ledger, changed in one transaction, followed by gateways."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from gateway.admin.trail import Change, note, trail
from gateway.admin.versions import Version, Versions
from gateway.errors import BadRequest, Conflict
from gateway.ledger.database import Database
from gateway.ledger.tables import RouteRow
from gateway.routing import Routes, Share

Weights = dict[str, float]


@dataclass(frozen=True, slots=True)
class Rollouts:
    """The aliases' weights in a database."""

    database: Database

    async def weights(self) -> dict[str, Weights]:
        """Alias → version → weight."""
        found: dict[str, Weights] = {}
        async with self.database.read() as connection:
            for row in await connection.execute(select(*RouteRow.__table__.columns)):
                found.setdefault(row.alias, {})[row.version] = row.weight
        return found

    async def put(self, alias: str, weights: Weights, change: Change, actor: str) -> None:
        """Replace an alias's weights, and write down why, in one transaction."""
        async with self.database.write() as connection:
            await connection.execute(delete(RouteRow).where(RouteRow.alias == alias))
            for version, weight in weights.items():
                row = {"alias": alias, "version": version, "weight": weight}
                await connection.execute(insert(RouteRow).values(**row))
            await note(connection, change, actor)

    async def before(self, alias: str) -> Weights:
        """The weights that were in force before the current ones; raises Conflict when there were none."""
        for change in await trail(self.database, "rollout", alias, 1):
            if change["before"]:
                return dict(change["before"])
        raise Conflict(f"{alias} has no earlier weights to go back to", param="alias")


async def routes_of(database: Database) -> tuple[Routes, dict[str, Version]]:
    """What the ledger says now: the routes, and every version that engines should have."""
    versions = {each.id: each for each in await Versions(database).all() if each.state == "staged"}
    weights = await Rollouts(database).weights()
    order = list(versions)  # oldest first: the established version keeps the low end of the interval
    aliases = {
        alias: tuple(Share(version, told[version]) for version in sorted(told, key=order.index))
        for alias, told in weights.items()
    }
    return Routes(aliases, {each.id: each.model for each in versions.values()}), versions


def checked(alias: str, weights: Mapping[str, Any], staged: Mapping[str, Version]) -> Weights:
    """Weights that may be put in force; raises BadRequest naming the field."""
    if not alias or not weights:
        raise BadRequest("weights: at least one version", param="weights")
    told = {version: float(weight) for version, weight in weights.items()}
    if any(not 0 <= weight <= 1 for weight in told.values()) or not math.isclose(sum(told.values()), 1):
        raise BadRequest("weights: each between 0 and 1, together 1", param="weights")
    missing = [version for version in told if version not in staged]
    if missing:
        raise BadRequest(f"weights: not staged: {', '.join(missing)[:200]}", param="weights")
    return {version: weight for version, weight in told.items() if weight > 0}
