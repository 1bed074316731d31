import asyncio

import pytest

from gateway.ledger.contract import LedgerFull
from gateway.ledger.journal import Journal
from gateway.ledger.segments import Place
from tests.gateway.ledger.slow_disk import SlowDisk


@pytest.fixture
async def journal(tmp_path):
    journal = Journal(tmp_path / "journal", patience_seconds=5)
    await journal.open()
    yield journal
    await journal.close()


async def test_what_was_appended_is_durable(journal):
    await journal.append(b"one")
    assert (await journal.read(Place(0, 0), 10))[0] == [b"one"]


async def test_many_who_wait_share_a_sync(journal):
    disk = SlowDisk(journal)
    waiting = [asyncio.create_task(journal.append(b"%d" % number)) for number in range(100)]
    await asyncio.sleep(0)
    assert len(journal._waiting) == 99  # one is with the thread, the others will go together
    disk.answers.set()
    await asyncio.gather(*waiting)
    records, _ = await journal.read(Place(0, 0), 1000)
    assert records == [b"%d" % number for number in range(100)]


async def test_a_caller_who_left_holds_nobody_up(journal):
    disk = SlowDisk(journal)
    left, stayed = (asyncio.create_task(journal.append(payload)) for payload in (b"left", b"stayed"))
    await asyncio.sleep(0)
    left.cancel()
    disk.answers.set()
    await stayed
    assert b"stayed" in (await journal.read(Place(0, 0), 10))[0]


async def test_the_record_of_a_caller_who_left_is_written_with_the_others(journal):
    disk = SlowDisk(journal)
    stayed, left = (asyncio.create_task(journal.append(payload)) for payload in (b"stayed", b"left"))
    await asyncio.sleep(0)
    left.cancel()
    disk.answers.set()
    await stayed
    await journal.append(b"later")
    assert (await journal.read(Place(0, 0), 10))[0] == [b"stayed", b"left", b"later"]


async def test_a_disk_that_does_not_answer_is_reported_in_time(tmp_path):
    journal = Journal(tmp_path, patience_seconds=0.05)
    await journal.open()
    disk = SlowDisk(journal)
    with pytest.raises(LedgerFull, match="not confirmed"):
        await journal.append(b"one")
    assert (journal.trouble is not None, journal.failures) == (True, 1)
    assert not journal._waiting  # nor does it pile up in memory
    disk.answers.set()
    await journal.append(b"two")
    assert journal.trouble is None
    await journal.close()


async def test_a_failed_write_reaches_everyone_who_waited_and_the_next_may_succeed(journal):
    place = journal._segments.directory
    await journal.append(b"one")
    await journal.rotate()
    hidden = place.rename(place.with_name("hidden"))
    place.touch()
    results = await asyncio.gather(*(journal.append(b"two") for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [LedgerFull] * 5
    assert journal.failures == 5
    place.unlink()
    hidden.rename(place)
    await journal.append(b"three")
    assert (journal.trouble, journal.failures) == (None, 5)  # though it goes well again, it did happen
    assert (await journal.read(Place(0, 0), 10))[0] == [b"one", b"three"]


async def test_closing_answers_everyone_who_waits(tmp_path):
    journal = Journal(tmp_path)
    await journal.open()
    waiting = [asyncio.create_task(journal.append(b"x")) for _ in range(10)]
    await asyncio.sleep(0)
    await journal.close()
    assert await asyncio.gather(*waiting) == [None] * 10
    with pytest.raises(LedgerFull):
        await journal.append(b"late")
