"""`trimtab finetune rollout watch`: it outlives a ledger that cannot be reached, and says so once."""

import asyncio
import logging
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune.errors import RolloutFailed
from finetune.rollout.looking import Looking
from gateway.ledger.contract import LedgerUnavailable
from gateway.ledger.database import Database
from tests.bench.loop.killing.parts import Postgres, end
from tests.fakes.gateway_alone import started

LONGEST_SECONDS = 60.0


class Enough(BaseException):
    """The test has seen what it wanted."""


class Looks:
    """Each look ends as it is told to."""

    def __init__(self, *ends: BaseException | None) -> None:
        self.ends = iter(ends)

    async def __call__(self) -> None:
        if (error := next(self.ends, Enough())) is not None:
            raise error


async def said(caplog: pytest.LogCaptureFixture, looks: Looks) -> list[str]:
    caplog.set_level(logging.INFO, "finetune")
    with pytest.raises(Enough):
        await Looking(looks, 0.001).forever()
    return [record.getMessage() for record in caplog.records]


async def test_a_ledger_that_is_away_is_told_once_and_asked_until_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = LedgerUnavailable("the ledger (x) is away: refused")
    assert await said(caplog, Looks(None, away, away, away, None, None)) == [
        "rollouts stand still: the ledger (x) is away: refused; asking on every 0.001 s",
        "rollouts can be looked at again",
    ]


async def test_troubles_that_take_turns_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    away, silent = LedgerUnavailable("away"), RolloutFailed("no gateway")
    told = await said(caplog, Looks(away, silent, away, silent, None))
    assert [each.split(";")[0] for each in told] == [
        "rollouts stand still: away",
        "rollouts can be looked at again",
    ]


async def test_what_nobody_foresaw_does_not_end_it_nor_tells_what_was_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = await said(caplog, Looks(OSError("how do I"), None))
    assert told[0].startswith("rollouts stand still: OSError")
    assert "how do I" not in caplog.text
    assert told[-1] == "rollouts can be looked at again"


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path / "postgres")
    server.start()
    yield server
    server.kill()


def until_said(log: Path, words: str) -> None:
    latest = time.monotonic() + LONGEST_SECONDS
    while not log.exists() or words not in log.read_text():
        assert time.monotonic() < latest, log.read_text()
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("initdb"), reason="no PostgreSQL is installed")
def test_a_database_that_is_killed_and_started_again_is_found_again(
    postgres: Postgres, tmp_path: Path
) -> None:
    async def made() -> None:
        async with Database(postgres.url):
            pass

    asyncio.run(made())
    log = tmp_path / "log"
    words = ["finetune", "rollout", "watch", "--every", "0.2", "--home", str(tmp_path / "home")]
    variables = {"LEDGER__URL": postgres.url, "FINETUNE_ADMIN_KEY": "sk-tt-nobody"}
    process = started([sys.executable, "-m", "gateway", *words], log, variables)
    try:
        until_said(log, "looking every")
        postgres.kill()
        until_said(log, "rollouts stand still: the ledger (")
        postgres.start()
        until_said(log, "rollouts can be looked at again")
        assert process.poll() is None
    finally:
        end(process)
