import asyncio

import pytest

from gateway.ledger.contract import LedgerFull
from gateway.ledger.database import Database
from gateway.ledger.exchanges import Exchanges
from gateway.ledger.intake import Intake, letter_of
from gateway.ledger.journal import Journal
from gateway.ledger.segments import numbers
from gateway.ledger.store import Ledger, sampled
from tests.gateway.ledger.exchanges import exchange
from tests.gateway.ledger.slow_disk import SlowDisk


async def test_a_flagged_exchange_is_on_disk_before_record_returns(ledger, tmp_path):
    await ledger.record(exchange("x"))
    on_disk = b"".join(path.read_bytes() for path in (tmp_path / "journal").glob("*.journal"))
    assert b'"id":"x"' in on_disk


async def test_a_caller_is_cancelled_only_once_its_record_is_durable(ledger):
    disk = SlowDisk(ledger._journal)
    waiting = asyncio.create_task(ledger.record(exchange("x")))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    assert not waiting.done()
    disk.answers.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await ledger.caught_up()
    assert await Exchanges(ledger.database).get("x") == exchange("x")


async def test_closing_waits_for_records_that_have_begun(url, tmp_path):
    async with Ledger.open(url, tmp_path / "journal") as ledger:
        disk = SlowDisk(ledger._journal)
        waiting = [asyncio.create_task(ledger.record(exchange(f"x{number}"))) for number in range(3)]
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.05, disk.answers.set)
    assert [await each for each in waiting] == [None] * 3


async def test_what_was_recorded_reaches_the_database_while_the_gateway_runs(ledger):
    await ledger.record(exchange("flagged"))
    await ledger.record(exchange("ordinary", flagged=False))
    assert await ledger.caught_up()
    counts = await Exchanges(ledger.database).counts()
    assert (counts.exchanges, counts.flagged) == (2, 1)


async def test_closing_stores_what_is_left_and_empties_the_journal(url, tmp_path):
    async with Ledger.open(url, tmp_path / "journal") as ledger:
        await asyncio.gather(*(ledger.record(exchange(f"x{n}", flagged=bool(n % 2))) for n in range(600)))
    async with Database(url) as database:
        assert (await Exchanges(database).counts()).exchanges == 600
    assert numbers(tmp_path / "journal") == []


async def test_what_a_killed_gateway_left_in_the_journal_is_stored_at_the_next_start(url, tmp_path):
    async with Database(url) as database:
        killed = Ledger(database, Journal(tmp_path / "journal"))
        await killed._journal.open()  # its writer never ran
        await killed.record(exchange("x"))
        await killed._journal.close()
    async with Ledger.open(url, tmp_path / "journal") as ledger:
        assert await ledger.caught_up()
        assert await Exchanges(ledger.database).get("x") == exchange("x")


async def test_dead_letters_are_offered_again_whenever_a_gateway_starts(url, tmp_path):
    async with Database(url) as database:
        await Intake(database).take([], [letter_of(exchange("x"), ValueError("not that day"))])
    async with Ledger.open(url, tmp_path / "journal") as ledger:
        async with asyncio.timeout(10):
            while await Exchanges(ledger.database).get("x") is None:
                await asyncio.sleep(0.01)
        await asyncio.wait([ledger._replaying])
        assert (await Exchanges(ledger.database).counts()).dead_letters == 0


async def test_what_waits_is_counted_whoever_left_it(url, tmp_path):
    async with Database(url) as database:
        killed = Ledger(database, Journal(tmp_path / "journal"))
        await killed._journal.open()  # its writer never ran
        await asyncio.gather(*(killed.record(exchange(f"old{n}")) for n in range(7)))
        await killed._journal.close()
        ledger = Ledger(database, Journal(tmp_path / "journal"))
        async with database.write():  # nothing else is stored meanwhile
            await ledger.start()
            await ledger.record(exchange("new"))
            await ledger.record(exchange("ordinary", flagged=False))
            assert ledger.health.pending == 7 + 1 + 1
        assert await ledger.caught_up()
        assert ledger.health.pending == 0
        await ledger.close()


async def test_only_as_many_ordinary_exchanges_are_kept_as_asked(url, tmp_path):
    async with Ledger.open(url, tmp_path / "journal", sample_rate=0.0) as ledger:
        await ledger.record(exchange("ordinary", flagged=False))
        await ledger.record(exchange("flagged"))
        await ledger.caught_up()
        assert await Exchanges(ledger.database).get("ordinary") is None
        assert await Exchanges(ledger.database).get("flagged") is not None


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_a_share_of_ids_is_sampled(rate):
    kept = sum(sampled(f"exchange-{number}", rate) for number in range(10_000))
    assert kept == pytest.approx(rate * 10_000, abs=300)


async def test_the_death_of_the_writer_is_visible_and_flagged_exchanges_are_kept(ledger, caplog):
    ledger._task.cancel()
    await asyncio.wait([ledger._task])
    await ledger.record(exchange("x"))
    assert not ledger.health.writer_alive
    assert not ledger.health.healthy
    assert ledger.health.behind


async def test_a_second_gateway_may_not_share_a_journal(ledger, url, tmp_path):
    with pytest.raises(Exception, match="belongs to a process that is running"):
        async with Ledger.open(url, tmp_path / "journal"):
            pass


async def test_a_journal_at_its_limit_refuses_what_is_flagged(url, tmp_path):
    async with Ledger.open(url, tmp_path / "journal", journal_limit_bytes=100) as ledger:
        with pytest.raises(LedgerFull, match="the database has not taken"):
            await ledger.record(exchange("x"))
