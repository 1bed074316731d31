"""Pairs made on a Ray of this machine: the very same, in the same order."""

import asyncio
import importlib.util
import os
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Timer

import pytest
from pydantic import TypeAdapter, ValidationError

from finetune.errors import FinetuneFailed
from finetune.pairs.desk import Desk, PairJob, made
from finetune.pairs.filters import FilterRules
from finetune.pairs.make import MakeRules
from finetune.pairs.on_ray import LOCAL, Address, made_on_ray, seen_from_anywhere
from finetune.pairs.pair import Pair
from finetune.pairs.sources import PairSource, pages_of
from gateway.exchange import Exchange
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.ledger.intake import Intake
from tests.fakes.exchanges import benign, harmful
from tests.fakes.gateway_alone import free_port

RULES = MakeRules(margin_sd=0.5)
MANY = [make(number) for number in range(1_500) for make in (harmful, benign)]
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own
slow = pytest.mark.slow  # starts a Ray
rayed = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="pip install 'trimtab[ray]'")


def ledger_of(url: str, exchanges: list[Exchange]) -> PairJob:
    async def filled() -> None:
        async with Database(url) as database:
            await Intake(database).take(exchanges)

    asyncio.run(filled())
    return PairJob(url, RULES, sd=1.0)


@pytest.fixture
def job(tmp_path: Path) -> PairJob:
    return ledger_of(f"sqlite:///{tmp_path}/ledger.db", MANY)


def at_work() -> list[int]:
    """The processes of our Ray that make pages, or wait for one; those that keep house for it are left out."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            title, number = each.read_bytes(), int(each.parent.name)
            if title.startswith((b"ray::page_of", b"ray::IDLE")) and os.getpid() in ancestors(number):
                found.append(number)
    return found


def ancestors(process: int) -> list[int]:
    """A process, who started it, who started that one, and so on."""
    found = [process]
    while found[-1] > 1:
        said = Path(f"/proc/{found[-1]}/stat").read_text()
        found.append(int(said.rpartition(")")[2].split()[1]))
    return found


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """No process of Ray outlives what was asked of it."""
    yield
    assert not at_work()


PAGES = pages_of(range(1, len(MANY) + 1))


@slow
@rayed
@pytest.mark.usefixtures("nothing_left")
def test_every_page_comes_to_the_same(job: PairJob) -> None:
    alone = list(made(job, PAGES, 1))
    assert list(made_on_ray(job, PAGES, 2, LOCAL)) == alone
    assert sum(len(page.pairs) for page in alone) == len(MANY)


@slow
@rayed
@pytest.mark.usefixtures("nothing_left")
def test_ledgers_and_datasets_come_to_the_same(tmp_path: Path) -> None:
    async def gathered(name: str, cluster: str | None) -> tuple[list[Pair], str]:
        async with Database(ledger_urls[name]) as database:
            source = PairSource(database, jobs=2 if cluster else 1, cluster=cluster)
            assert (await source.gather(RULES)).new == len(MANY)
            frozen = await source.freeze(FilterRules(), {}, tmp_path / name)
            return await source.pairs(), frozen.sha256

    ledger_urls = {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("alone", "ray")}
    for url in ledger_urls.values():
        ledger_of(url, MANY)
    assert asyncio.run(gathered("alone", None)) == asyncio.run(gathered("ray", LOCAL))


@slow
@rayed
@pytest.mark.usefixtures("nothing_left")
def test_a_page_whose_process_is_lost_is_made_again(job: PairJob) -> None:
    alone = list(made(job, PAGES, 1))
    pages = made_on_ray(job, PAGES, 1, LOCAL)
    first = next(pages)
    busy = at_work()
    for each in busy:
        os.kill(each, signal.SIGKILL)
    assert busy
    assert [first, *pages] == alone


@slow
@rayed
@pytest.mark.usefixtures("nothing_left")
def test_a_ledger_that_a_machine_does_not_see_is_named(tmp_path: Path) -> None:
    elsewhere = PairJob(f"sqlite:///{tmp_path}/elsewhere.db", RULES, None)
    with pytest.raises(LedgerFailed, match=r"elsewhere\.db is not there on every machine"):
        list(made_on_ray(elsewhere, PAGES, 1, LOCAL))


@rayed
def test_a_cluster_that_is_not_there_is_named(job: PairJob) -> None:
    with pytest.raises(FinetuneFailed, match=r"finetune\.jobs_on_ray: no Ray answers at 127"):
        list(made_on_ray(job, PAGES, 1, f"127.0.0.1:{free_port()}"))


@pytest.mark.parametrize("told", [LOCAL, "auto", "10.0.0.1:6379", "[::1]:6379", "ray://head:10001"])
def test_an_address_that_ray_joins(told: str) -> None:
    assert TypeAdapter(Address).validate_python(told) == told


@pytest.mark.parametrize("told", ["", "yes", "http://head:8265", "ray://head", "head:port"])
def test_an_address_that_ray_does_not_join_is_refused(told: str) -> None:
    with pytest.raises(ValidationError, match="must be local, auto, HOST:PORT or"):
        TypeAdapter(Address).validate_python(told)


def test_a_task_that_begins_in_another_folder_finds_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = seen_from_anywhere(ledger_of("sqlite:///ledger.db", MANY[:2]))
    monkeypatch.chdir("/")
    with closing(Desk(told)) as desk:
        assert len(desk([1, 2]).pairs) == 2


def test_another_database_is_found_by_its_own_url() -> None:
    elsewhere = PairJob("postgresql://me:word@db/ledger", RULES, None)
    assert seen_from_anywhere(elsewhere) == elsewhere
    assert "word" not in repr(elsewhere)


def test_a_desk_waits_for_a_ledger_that_is_away(tmp_path: Path) -> None:
    folder, away = tmp_path / "disk", tmp_path / "unmounted"
    folder.mkdir()
    told = ledger_of(f"sqlite:///{folder}/ledger.db", MANY[:2])
    folder.rename(away)
    back = Timer(0.7, away.rename, [folder])
    back.start()
    with closing(Desk(PairJob(told.ledger, RULES, 1.0, patience_seconds=20))) as desk:
        assert len(desk([1, 2]).pairs) == 2
    back.join()
