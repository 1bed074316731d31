"""Moves of workers: they count while their lease is theirs, and not afterwards."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, insert, update

from gateway.admin.client import AdminRefused
from gateway.admin.fence import Fence
from gateway.admin.trail import Change
from gateway.admin.weights.book import Book
from gateway.errors import Conflict
from gateway.ledger.rollout_tables import RolloutRow
from gateway.ledger.tables import RetrainingRow
from tests.gateway.admin.conftest import House

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHARED = {"alias": "assistant", "reasons": [], "running": 1, "owner": "ada", "created_at": NOW}
ROLLOUT = {
    "version": "base",
    "baseline": "base",
    "state": "canary",
    "share": 0.1,
    "plan": {},
    "moved_at": NOW,
}
ROWS = {
    "rollout": (RolloutRow, SHARED | ROLLOUT),
    "retraining": (RetrainingRow, SHARED | {"state": "running", "parameters": {}}),
}
KINDS = pytest.mark.parametrize("kind", ROWS)


@pytest.fixture
def database(house: House):
    return house.tools.ledger.database


@pytest.fixture
async def held(database, kind):
    """A rollout or a retraining that ada holds; what it is held by can be changed."""
    row, values = ROWS[kind]
    async with database.write() as connection:
        await connection.execute(insert(row).values(id="it", **values))

    async def changed(**values):
        async with database.write() as connection:
            await connection.execute(update(row).values(**values))

    yield changed
    async with database.write() as connection:
        await connection.execute(delete(row))


async def moved(house: House, kind: str, worker: str = "ada", it: str = "it") -> str:
    """What becomes of a worker's move."""
    fence = {"kind": kind, "id": it, "worker": worker}
    async with house.admin() as admin:
        try:
            await admin.roll_out("assistant", {"base": 1.0}, "a move", fence=fence)
        except AdminRefused as refused:
            return str(refused.code)
    return "moved"


@KINDS
async def test_who_holds_it_moves(house: House, held, kind):
    assert await moved(house, kind) == "moved"


@KINDS
async def test_who_held_it_does_not(house: House, held, kind):
    assert await moved(house, kind, "bob") == "lease_lost"


@KINDS
async def test_what_is_over_is_moved_by_nobody(house: House, held, kind):
    await held(running=None)
    assert await moved(house, kind) == "lease_lost"


@KINDS
async def test_what_nobody_knows_is_moved_by_nobody(house: House, held, kind):
    assert await moved(house, kind, it="another") == "lease_lost"


async def test_a_fence_of_another_kind_is_refused(house: House):
    with house.http() as http:
        told = {"kind": "table", "id": "it", "worker": "ada"}
        body = {"alias": "assistant", "weights": {"base": 1.0}, "cause": "a move", "fence": told}
        answer = http.post("/admin/rollouts", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "fence.kind"


@KINDS
async def test_a_swap_of_full_weights_has_the_same_fence(database, held, kind):
    change, book = Change("rollout", "assistant", {}, {}, "a move"), Book(database)
    told = (change, {"base": 1.0}, "tests", None)
    with pytest.raises(Conflict, match="is over, or another worker's"):
        await book.begin(*told, allow_gap=False, fence=Fence(kind, "it", "bob"))
    assert await book.running() is None
    await book.end(await book.begin(*told, allow_gap=False, fence=Fence(kind, "it", "ada")), "done")
