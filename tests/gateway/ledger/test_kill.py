"""kill -9 at random moments: what was acknowledged is in the ledger afterwards, exactly once."""

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter

import pytest

from gateway.ledger.database import Database
from gateway.ledger.exchanges import Exchanges
from gateway.ledger.store import Ledger

# Records from many callers at once, and prints each id once it was promised to be durable.
RECORDER = """
import asyncio, sys
from pathlib import Path
from gateway.ledger.store import Ledger
from tests.gateway.ledger.exchanges import exchange

async def caller(ledger, name):
    number = 0
    while True:
        told = f"{name}-{number}"
        await ledger.record(exchange(told, flagged=number % 3 > 0, text="words " * (number % 50)))
        if number % 3 > 0:
            print(told, flush=True)
        number += 1

async def main(url, journal, name):
    async with Ledger.open(url, Path(journal)) as ledger:
        await asyncio.gather(*(caller(ledger, f"{name}-{n}") for n in range(16)))

asyncio.run(main(*sys.argv[1:]))
"""


def killed_after(seconds: float, *arguments: object) -> list[str]:
    """The ids that a recording process had promised when it was killed; a line cut short was no promise."""
    command = [sys.executable, "-c", RECORDER, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
        first = process.stdout.readline()
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as late:
            seen = late.stdout or b""
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    whole = first + (rest or seen)
    return [line.decode().strip() for line in whole.splitlines(keepends=True) if line.endswith(b"\n")]


async def stored(url: str) -> Counter[str]:
    async with Database(url) as database:
        found: Counter[str] = Counter()
        cursor = 0
        while True:
            page, cursor = await Exchanges(database).after(cursor, 1000)
            if not page:
                return found
            found.update(one.id for one in page)


@pytest.mark.slow
async def test_what_was_promised_outlives_any_kill(tmp_path, url):
    promised: set[str] = set()
    journal, dice = tmp_path / "journal", random.Random(1)
    for turn in range(8):
        seconds = dice.uniform(0.02, 0.8)
        promised |= set(await asyncio.to_thread(killed_after, seconds, url, journal, f"turn{turn}"))
    async with Ledger.open(url, journal) as ledger:
        assert await ledger.caught_up(60)
    found = await stored(url)
    assert len(promised) > 100
    assert promised <= found.keys()
    assert max(found.values()) == 1


async def test_one_killed_process_leaves_nothing_promised_behind(tmp_path, url):
    promised = await asyncio.to_thread(killed_after, 0.3, url, tmp_path / "journal", "once")
    async with Ledger.open(url, tmp_path / "journal") as ledger:
        assert await ledger.caught_up(60)
    assert set(promised) <= (await stored(url)).keys()
