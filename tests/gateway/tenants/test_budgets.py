"""Budgets: enforced from memory, kept in the ledger, whole again when their period ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.metrics import Metrics
from gateway.tenants.budgets import Budgets, end_of, kept_budgets, period_of
from gateway.tenants.keys import KeyStore
from gateway.tenants.terms import Period

FIRST, LAST = (datetime.fromisoformat(day) for day in ("2020-01-01", "2100-01-01"))
MOMENTS = st.datetimes(timezones=st.just(UTC), min_value=FIRST, max_value=LAST)


def spend(budgets: Budgets, tokens: int, budget: int = 100) -> bool:
    account = budgets.hold("key", "day", tokens, budget)
    if account is not None:
        budgets.settle(account, tokens, tokens)
    return account is not None


def test_a_budget_is_spent_once() -> None:
    budgets = Budgets()
    assert [spend(budgets, 60), spend(budgets, 60), spend(budgets, 40)] == [True, False, True]


def test_what_is_set_aside_cannot_be_spent_by_others() -> None:
    budgets = Budgets()
    held = budgets.hold("key", "day", 90, 100)
    assert held
    assert not spend(budgets, 20)
    budgets.settle(held, 90, 10)
    assert spend(budgets, 90)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 70)), min_size=1, max_size=30), st.data())
def test_what_is_spent_is_what_was_settled_in_any_order(
    requests: list[tuple[int, int]], data: st.DataObject
) -> None:
    budgets = Budgets()
    held = [(budgets.hold("key", "day", held, 10**9), held, spent) for held, spent in requests]
    for account, tokens, spent in data.draw(st.permutations(held)):
        assert account
        budgets.settle(account, tokens, spent)
    assert budgets.spent(account) == sum(spent for _, spent in requests)


async def test_a_restart_forgets_nothing(store: KeyStore) -> None:
    for expected in (True, False):
        budgets = Budgets()
        async with kept_budgets(budgets, store.database, Metrics()):
            assert spend(budgets, 60) is expected


async def test_gateways_hear_of_each_others_spending(store: KeyStore) -> None:
    one, other = Budgets(), Budgets()
    assert spend(one, 60)
    assert spend(other, 30)
    for budgets in (one, other, one):
        await budgets.keep(store.database)
    assert [spend(one, 11), spend(other, 11), spend(one, 10)] == [False, False, True]


async def test_a_database_that_is_away_costs_no_count(store: KeyStore) -> None:
    budgets = Budgets()
    spend(budgets, 60)
    async with store.database.write() as connection:
        await connection.exec_driver_sql("ALTER TABLE key_usage RENAME TO elsewhere")
    with pytest.raises(LedgerFailed):
        await budgets.keep(store.database)
    assert not spend(budgets, 60)
    async with store.database.write() as connection:
        await connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO key_usage")
    await budgets.keep(store.database)
    again = Budgets()
    await again.keep(store.database)
    assert not spend(again, 60)


class Answering(Database):
    """A real database that has committed, and says so only when it is let go."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.committed, self.free = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        async with super().write() as connection:
            yield connection
        self.committed.set()
        await self.free.wait()


async def kept(store: KeyStore) -> int:
    """What the database says is left of the key's hundred."""
    budgets = Budgets()
    await budgets.keep(store.database)
    return budgets.left("key", "day", 100)


async def test_who_is_cancelled_as_a_count_is_committed_counts_it_once(store: KeyStore) -> None:
    budgets = Budgets()
    spend(budgets, 60)
    database = Answering(str(store.database.url))
    keeping = asyncio.create_task(budgets.keep(database))
    await database.committed.wait()
    keeping.cancel()
    await asyncio.sleep(0)
    database.free.set()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    await database.close()
    await budgets.keep(store.database)
    assert await kept(store) == budgets.left("key", "day", 100) == 40


async def test_a_database_that_does_not_answer_holds_no_stop_up(store: KeyStore) -> None:
    budgets, metrics, database = Budgets(), Metrics(), Answering(str(store.database.url))
    async with asyncio.timeout(5):
        async with kept_budgets(budgets, database, metrics, stop_seconds=0.1):
            spend(budgets, 60)
            await database.committed.wait()
    failed = metrics.registry.get_sample_value("trimtab_limits_failures_total", {"what": "database"})
    assert failed == 1
    await database.close()


async def test_what_a_stop_breaks_off_is_not_written_again(store: KeyStore) -> None:
    budgets, database = Budgets(), Answering(str(store.database.url))
    async with kept_budgets(budgets, database, Metrics(), stop_seconds=0.1):
        spend(budgets, 60)
        await database.committed.wait()
    await database.close()
    assert await kept(store) == 40


async def test_what_is_spent_while_a_write_hangs_is_written_at_the_stop(store: KeyStore) -> None:
    budgets, database = Budgets(), Answering(str(store.database.url))
    async with kept_budgets(budgets, database, Metrics(), stop_seconds=1.0):
        spend(budgets, 60)
        await database.committed.wait()
        spend(budgets, 30)
    await database.close()
    assert await kept(store) == 10


@pytest.mark.slow  # waits longer than any ledger that is well
async def test_a_ledger_that_is_slow_to_answer_is_waited_for(store: KeyStore) -> None:
    budgets, database = Budgets(), Answering(str(store.database.url))
    async with kept_budgets(budgets, database, Metrics(), stop_seconds=0.1):
        spend(budgets, 60)
        await database.committed.wait()
        await asyncio.sleep(5.5)
        database.free.set()
        await asyncio.sleep(0.1)
    await database.close()
    assert await kept(store) == 40


async def test_what_is_away_is_asked_again_and_counted_as_a_failure(store: KeyStore) -> None:
    budgets, metrics = Budgets(), Metrics()
    async with kept_budgets(budgets, store.database, metrics) as task:
        async with store.database.write() as connection:
            await connection.exec_driver_sql("ALTER TABLE key_usage RENAME TO elsewhere")
        async with asyncio.timeout(5):
            while not metrics.registry.get_sample_value(
                "trimtab_limits_failures_total", {"what": "database"}
            ):
                await asyncio.sleep(0.02)
        assert not task.done()


@pytest.mark.parametrize("per", ["day", "month"])
@given(now=MOMENTS)
def test_a_period_ends_where_the_next_begins(per: Period, now: datetime) -> None:
    end = end_of(now, per)
    assert end > now
    assert period_of(end - timedelta(microseconds=1), per) == period_of(now, per) != period_of(end, per)


def test_a_new_day_brings_a_new_budget() -> None:
    now = [datetime(2026, 11, 26, 23, 59, tzinfo=UTC)]
    budgets = Budgets(lambda: now[0])
    assert spend(budgets, 100)
    assert budgets.seconds_left("day") == 60
    now[0] = datetime(2026, 11, 27, tzinfo=UTC)
    assert spend(budgets, 100)
