"""Retired versions that stayed on the engine because their retirement was cut off."""

import asyncio
from contextlib import contextmanager

import pytest

from gateway.admin.client import AdminRefused
from gateway.admin.reclaiming import Reclaimer, reclaimed
from tests.gateway.admin.conftest import in_time


@pytest.fixture
def reclaimer(house):
    return Reclaimer(house.tools, house.tools.ledger.database)


async def there(house, work):
    """What some work gives on the gateway's own loop."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, house.server.loop))


@contextmanager
def in_flight(house, name):
    """A request that began on a version and has not ended."""
    lease = house.tools.router.lease(name)
    house.server.call(lease.__enter__)
    yield
    house.server.call(lambda: lease.__exit__(None, None, None))


async def staged(house, admin, name):
    await admin.register(house.adapter(name), name)
    await admin.stage(name)


async def test_a_retirement_that_gave_up_on_a_long_answer_is_finished_once_that_has_ended(house, reclaimer):
    async with house.admin() as admin:
        await staged(house, admin, "long")
        with in_flight(house, "long"):
            with pytest.raises(AdminRefused, match="in flight"):
                await admin.retire("long", timeout_seconds=0)
            for _ in range(3):
                await there(house, reclaimer.look())
            assert "long" in house.engine.adapters
    await there(house, reclaimer.look())
    await there(house, reclaimer.look())
    assert "long" not in house.engine.adapters


async def test_what_is_staged_again_meanwhile_is_left_alone(house, reclaimer):
    async with house.admin() as admin:
        await staged(house, admin, "again")
        with in_flight(house, "again"), pytest.raises(AdminRefused):
            await admin.retire("again", timeout_seconds=0)
        await there(house, reclaimer.look())
        await admin.stage("again")
    for _ in range(3):
        await there(house, reclaimer.look())
    assert "again" in house.engine.adapters


async def test_a_running_gateway_looks_by_itself(house):
    async def while_looking():
        async with reclaimed(house.tools, house.tools.ledger.database, every_seconds=0.02):
            await in_time(lambda: "killed" not in house.engine.adapters)

    async with house.admin() as admin:
        await staged(house, admin, "killed")
        with in_flight(house, "killed"), pytest.raises(AdminRefused):
            await admin.retire("killed", timeout_seconds=0)
    assert "killed" in house.engine.adapters
    await there(house, while_looking())
