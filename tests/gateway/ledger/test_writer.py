import asyncio
from contextlib import contextmanager

import pytest

from gateway.ledger import document
from gateway.ledger.contract import LedgerUnavailable
from gateway.ledger.journal import Journal
from gateway.ledger.segments import numbers
from gateway.ledger.writer import BATCH, Writer
from tests.gateway.ledger.exchanges import exchange


class Shelf:
    """An intake that keeps what it took, and can be away."""

    def __init__(self):
        self.away = False
        self.batches = []
        self.letters = []

    async def take(self, exchanges, letters=()):
        if self.away:
            raise LedgerUnavailable("away")
        self.batches.append([one.id for one in exchanges])
        self.letters += letters

    @property
    def ids(self):
        return [name for batch in self.batches for name in batch]


@pytest.fixture
async def journal(tmp_path):
    journal = Journal(tmp_path / "journal")
    await journal.open()
    yield journal
    await journal.close()


async def finished(writer):
    writer.finish()
    await asyncio.wait_for(writer.run(), 10)


async def test_what_the_journal_holds_is_stored_in_batches_and_in_order(journal):
    names = [f"x{number}" for number in range(BATCH + 10)]
    await asyncio.gather(*(journal.append(document.write(exchange(name))) for name in names))
    shelf = Shelf()
    await finished(Writer(shelf, journal))
    assert shelf.ids == names
    assert max(map(len, shelf.batches)) == BATCH


async def test_what_is_stored_leaves_the_journal(journal):
    await journal.append(document.write(exchange("x")))
    await finished(Writer(Shelf(), journal))
    assert numbers(journal._segments.directory) == []


async def test_a_record_that_is_no_exchange_becomes_a_dead_letter(journal):
    shelf = Shelf()
    for record in (b'{"of":"another age"}', document.write(exchange("x"))):
        await journal.append(record)
    await finished(Writer(shelf, journal))
    assert shelf.ids == ["x"]
    assert [letter.document for letter in shelf.letters] == [b'{"of":"another age"}']


async def test_while_the_database_is_away_the_journal_keeps_and_the_queue_drops(journal):
    shelf = Shelf()
    shelf.away = True
    writer = Writer(shelf, journal, queue_limit=3)
    running = asyncio.create_task(writer.run())
    for number in range(5):
        writer.offer(exchange(f"ordinary{number}", flagged=False))
        await journal.append(document.write(exchange(f"flagged{number}")))
        writer.wake()
    await asyncio.sleep(0.1)
    assert (writer.dropped, writer.trouble) == (2, "away")
    assert (writer.pending, writer.failures > 0) == (5 + 3, True)
    shelf.away = False
    await writer.settled()
    assert set(shelf.ids) >= {f"flagged{number}" for number in range(5)}
    assert shelf.ids.count("ordinary0") == 1
    assert writer.pending == 0
    writer.finish()
    await running


async def test_a_writer_told_to_finish_does_not_wait_for_a_database_that_is_away(journal):
    shelf = Shelf()
    shelf.away = True
    writer = Writer(shelf, journal)
    writer.offer(exchange("ordinary", flagged=False))
    await journal.append(document.write(exchange("flagged")))
    await finished(writer)
    assert writer.dropped == 1
    assert numbers(journal._segments.directory)  # the flagged one waits for the next start


@contextmanager
def file_for_folder(path):
    """A file where a folder should be: listing it fails, as it does when no descriptor is left."""
    aside = path.rename(path.with_name("aside"))
    path.touch()
    yield
    path.unlink()
    aside.rename(path)


@contextmanager
def folder_for_file(path):
    """A folder where a file should be: reading it fails, as it does from a bad disk."""
    aside = path.rename(path.with_name("aside"))
    path.mkdir()
    yield
    path.rmdir()
    aside.rename(path)


@pytest.mark.parametrize("unreadable", ["folder", "segment"])
async def test_a_journal_that_cannot_be_read_for_a_while_is_read_afterwards(journal, unreadable):
    await journal.append(document.write(exchange("x")))
    place = journal._segments.directory
    broken = file_for_folder(place) if unreadable == "folder" else folder_for_file(*place.glob("*.journal"))
    shelf = Shelf()
    writer = Writer(shelf, journal)
    running = asyncio.create_task(writer.run())
    with broken:
        async with asyncio.timeout(5):
            while writer.trouble is None and not running.done():
                await asyncio.sleep(0.01)
        assert "the journal cannot be read" in writer.trouble
    async with asyncio.timeout(5):
        await writer.settled()
    assert (shelf.ids, writer.trouble) == (["x"], None)
    writer.finish()
    await running
