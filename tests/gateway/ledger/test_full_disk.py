"""A disk that is full, for real: by a limit on the size of files, and by a file system of a few pages."""

import json
import subprocess
import sys
from contextlib import suppress

import pytest

from gateway.ledger.contract import LedgerFull
from gateway.ledger.database import Database
from gateway.ledger.exchanges import Exchanges
from gateway.ledger.store import Ledger
from tests.gateway.ledger.exchanges import exchange

LIMITED = """
import json, resource, sys
from pathlib import Path
from gateway.ledger.contract import LedgerFull
from gateway.ledger.segments import Place, Segments, read

segments = Segments(Path(sys.argv[1]), segment_bytes=1 << 20, limit_bytes=1 << 30)
segments.open()
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
kept, refused = [], 0
for number in range(30):
    record = b"%d " % number + b"x" * 90
    try:
        segments.append([record, record])
        kept.append(number)
    except LedgerFull:
        refused += 1
records, _ = read(segments.directory, Place(0, 0), Place(10**9, 0), 1000)
numbers = [int(record.split()[0]) if record else None for record in records]
print(json.dumps({"kept": kept, "refused": refused, "read": numbers}))
"""


def test_a_write_cut_short_leaves_no_trace_and_the_next_segment_goes_on(tmp_path):
    ran = subprocess.run([sys.executable, "-c", LIMITED, tmp_path / "j"], capture_output=True, check=True)
    told = json.loads(ran.stdout)
    assert told["refused"] > 0
    assert told["read"] == [number for number in told["kept"] for _ in range(2)]


async def ids(url):
    async with Database(url) as database:
        found, _ = await Exchanges(database).after(0, 1000)
    return {one.id for one in found}


@pytest.fixture
def tiny_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    yield place
    subprocess.run(["umount", place], check=True)


def fill(disk):
    """A file that takes all the room there is."""
    stuffing = disk / "stuffing"
    with suppress(OSError), stuffing.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return stuffing


async def test_a_full_journal_disk_refuses_what_is_flagged_until_there_is_room(tiny_disk, url):
    async with Ledger.open(url, tiny_disk / "journal") as ledger:
        stuffing = fill(tiny_disk)
        with pytest.raises(LedgerFull, match="No space left"):
            await ledger.record(exchange("refused"))
        assert not ledger.health.healthy
        await ledger.record(exchange("ordinary", flagged=False))
        stuffing.unlink()
        await ledger.record(exchange("kept"))
        assert ledger.health.healthy
    assert await ids(url) == {"ordinary", "kept"}


async def test_a_full_database_disk_leaves_exchanges_in_the_journal_until_there_is_room(tiny_disk, tmp_path):
    url = f"sqlite:///{tiny_disk / 'ledger.db'}"
    async with Ledger.open(url, tmp_path / "journal") as ledger:
        stuffing = fill(tiny_disk)
        for number in range(50):
            await ledger.record(exchange(f"x{number}", text="long " * 2000))
        assert not await ledger.caught_up(0.2)
        assert "full" in ledger.health.database
        stuffing.unlink()
        assert await ledger.caught_up()
        assert ledger.health.healthy
    assert len(await ids(url)) == 50
