"""Whose answers are still the policy's own: a real ledger."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from finetune.pairs.ancestry import versions_back
from finetune.pairs.filters import FilterRules
from finetune.pairs.make import MakeRules
from finetune.pairs.ratings import RatingSource
from finetune.pairs.sources import PairSource
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from gateway.ledger.tables import RouteRow, VersionRow
from tests.fakes.exchanges import harmful
from tests.finetune.pairs.test_ratings import thumb

PARENTS = {"v0": None, "v1": "v0", "v2": "v1", "other": "v0"}
LATEST = FilterRules(stale_after=1)


async def routed(database: Database, weights: Mapping[str, float]) -> PairSource:
    """Versions of two aliases, the first of which leads to these; an exchange with each version."""
    known, begun = {"base": "m", "lineage": {}, "state": "staged"}, datetime.now(UTC)
    async with database.write() as connection:
        for number, (name, parent) in enumerate(PARENTS.items()):
            made = known | {"id": name, "parent": parent, "created_at": begun + timedelta(hours=number)}
            await connection.execute(insert(VersionRow).values(**made))
        routes = [("assistant", name, weight) for name, weight in weights.items()] + [("other", "other", 1.0)]
        for alias, version, weight in routes:
            await connection.execute(insert(RouteRow).values(alias=alias, version=version, weight=weight))
    said = (replace(harmful(i * 37), version=name) for i, name in enumerate(PARENTS))
    await Intake(database).take(list(said))
    return PairSource(database, alias="assistant")


async def test_a_version_is_followed_back_to_what_it_came_from(database: Database) -> None:
    await routed(database, {"v2": 1.0})
    async with database.read() as connection:
        assert await versions_back(connection, "assistant") == ["v2", "v1", "v0", "other"]


@pytest.mark.parametrize(
    ("weights", "live"),
    [({"v2": 1.0}, "v2"), ({"v1": 1.0}, "v1"), ({"v1": 0.99, "v2": 0.01}, "v1")],
    ids=["newest", "the newest was taken back", "the newest is a canary"],
)
async def test_no_other_version_makes_the_live_ones_pairs_stale(
    database: Database, weights: Mapping[str, float], live: str
) -> None:
    source = await routed(database, weights)
    await source.gather(MakeRules(margin_sd=0.5))
    kept = (await source.filtered(LATEST, {})).pairs
    assert [pair.provenance.version for pair in kept] == [live]


async def test_a_preview_counts_no_stale_pair(database: Database) -> None:
    source = await routed(database, {"v1": 1.0})
    fresh = (await source.preview(MakeRules(margin_sd=0.5), LATEST, {})).fresh
    assert [pair.provenance.version for pair in fresh] == ["v1"]


async def test_no_other_version_makes_thumbs_on_the_live_ones_answers_stale(database: Database) -> None:
    await routed(database, {"v1": 1.0})
    for number in range(len(PARENTS)):
        await thumb(database, f"harm-{number * 37}", 1.0)
    kept = (await RatingSource(database, alias="assistant").filtered(LATEST, {})).pairs
    assert [rating.provenance.version for rating in kept] == ["v1"]
