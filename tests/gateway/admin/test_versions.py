"""The base version's model: named anew while nothing rests on it, and never afterwards."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.admin.rollouts import Rollouts
from gateway.admin.trail import Change
from gateway.admin.versions import Version, Versions
from gateway.errors import Conflict
from gateway.ledger.database import Database

WRONG = Version("base", "wrong", None, None, {}, "staged", datetime.now(UTC))
RIGHT = replace(WRONG, base="right")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A ledger whose base model was misspelt at the first start."""
    async with Database(f"sqlite:///{tmp_path / 'ledger.db'}") as database:
        await Versions(database).register(WRONG, "gateway")
        await lead(database, "wrong")
        yield database


async def lead(database: Database, alias: str) -> None:
    await Rollouts(database).put(
        alias, {"base": 1.0}, Change("rollout", alias, {}, {}, "first start"), "gateway"
    )


async def test_its_alias_goes_with_the_name(database: Database) -> None:
    await Versions(database).rebase(RIGHT, "gateway")
    assert (await Versions(database).get("base")).base == "right"
    assert await Rollouts(database).weights() == {}


async def test_a_second_worker_undoes_nothing(database: Database) -> None:
    await Versions(database).rebase(RIGHT, "gateway")
    await lead(database, "right")
    await Versions(database).rebase(RIGHT, "gateway")
    assert await Rollouts(database).weights() == {"right": {"base": 1.0}}


async def test_an_operators_alias_keeps_the_model_where_it_is(database: Database) -> None:
    await lead(database, "ours")
    with pytest.raises(Conflict):
        await Versions(database).rebase(RIGHT, "gateway")
    assert (await Rollouts(database).weights()).keys() == {"wrong", "ours"}


async def test_another_version_keeps_the_model_where_it_is(database: Database) -> None:
    await Versions(database).register(replace(WRONG, id="better", path="/a", parent="base"), "operator")
    with pytest.raises(Conflict):
        await Versions(database).rebase(RIGHT, "gateway")
