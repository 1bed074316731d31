"""SIGTERM under load: streams end, or are told that they were cut; what was flagged of them is in the ledger."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.ledger.database import Database
from gateway.ledger.exchanges import Exchanges
from tests.fakes.gateway_alone import GatewayAlone, gateway_alone, policy_file
from tests.fakes.reader import Reader, asked
from tests.fakes.streaming_engine import streaming_engine
from tests.gateway.ledger.test_kill import stored

pytestmark = pytest.mark.slow

STREAMS = 100  # of each kind
GRACE_SECONDS = 4
PATIENCE_SECONDS = 30  # of tests, on busy machines
BEGINNING = "once upon a time there was a kettle that sang " * 4
Answer = tuple[Reader, bytes]


@dataclass
class Stopped:
    """What became of a gateway that was stopped, and of all who had asked it."""

    code: int = -1
    seconds: float = 0.0
    late: list[Reader] = field(default_factory=list)  # who came once it stopped
    finite: list[Answer] = field(default_factory=list)
    endless: list[Answer] = field(default_factory=list)
    plain: list[Answer] = field(default_factory=list)  # no stream, and no end either
    brief: list[Answer] = field(default_factory=list)  # whose exchanges wait for the ledger
    ledger: Counter[str] = field(default_factory=Counter)
    errors: dict[str, str | None] = field(default_factory=dict)  # by exchange


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    return asyncio.run(stop_under_load(tmp_path_factory.mktemp("stopped")))


async def stop_under_load(home: Path) -> Stopped:
    """Stop a gateway that answers two hundred streams and has just answered a hundred more."""
    stopping, found = asyncio.Event(), Stopped()

    async def story(question: str) -> AsyncIterator[str]:
        yield BEGINNING
        while not question.startswith("brief") and ("endless" in question or not stopping.is_set()):
            await asyncio.sleep(0.5)
            yield "and on "

    told = {"LIMITS__SHUTDOWN_SECONDS": str(GRACE_SECONDS)}
    async with (
        streaming_engine(story) as engine,
        gateway_alone(home, engine.url, "--policy", str(policy_file(home)), **told) as gateway,
    ):
        finite, endless = [await all_asked(gateway, kind) for kind in ("finite", "endless")]
        plain = await asked(gateway.port, gateway.key, "endless and plain: a herring", stream=False)
        await asyncio.gather(*(each.head() for each in finite + endless))
        brief = await heard(await all_asked(gateway, "brief"))
        ending = asyncio.create_task(gateway.stop(GRACE_SECONDS + PATIENCE_SECONDS))
        stopping.set()
        found.late = [reader async for reader in knocking(gateway, ending)]
        found.finite, found.endless, found.brief = await heard(finite), await heard(endless), brief
        found.plain = await heard([await plain.head()])
        found.code, found.seconds = await ending
    found.ledger = await stored(f"sqlite:///{home / 'ledger.db'}")
    found.errors = await errors_in(f"sqlite:///{home / 'ledger.db'}")
    return found


async def errors_in(url: str) -> dict[str, str | None]:
    """Why each exchange has no whole answer."""
    async with Database(url) as database:
        exchanges, _ = await Exchanges(database).after(0, 10 * STREAMS)
    return {each.id: each.error for each in exchanges}


async def all_asked(gateway: GatewayAlone, kind: str) -> list[Reader]:
    """Many who ask for what the guard flags."""
    return [await asked(gateway.port, gateway.key, f"{kind} {n}: a herring") for n in range(STREAMS)]


async def heard(readers: list[Reader]) -> list[Answer]:
    """Each answer to its end."""
    await asyncio.gather(*(each.head() for each in readers if not each.status))
    return list(zip(readers, await asyncio.gather(*(each.rest() for each in readers)), strict=True))


async def knocking(gateway: GatewayAlone, ending: "asyncio.Task[tuple[int, float]]") -> AsyncIterator[Reader]:
    """Whoever still gets an answer while it stops."""
    while not ending.done():
        try:
            reader = await (await asked(gateway.port, gateway.key, "brief and late")).head()
            await reader.leave()
            yield reader
        except ConnectionError:
            await asyncio.sleep(0.05)


def test_streams_that_end_within_the_grace_period_end_as_always(stopped: Stopped) -> None:
    assert Counter(reader.status for reader, _ in stopped.finite) == {200: STREAMS}
    assert all(b"data: [DONE]\n\n" in said for _, said in stopped.finite)


def test_streams_that_do_not_are_told_and_never_look_whole(stopped: Stopped) -> None:
    assert Counter(reader.status for reader, _ in stopped.endless) == {200: STREAMS}
    assert all(b'"code":"stopping"' in said for _, said in stopped.endless)
    assert not any(b"[DONE]" in said for _, said in stopped.endless)


def test_a_plain_request_that_is_cut_off_is_told_to_come_back(stopped: Stopped) -> None:
    [(reader, said)] = stopped.plain
    assert (reader.status, reader.header("retry-after")) == (503, "1")
    assert b'"code":"stopping"' in said


def test_the_process_ends_soon_after_the_grace_period_and_well(stopped: Stopped) -> None:
    assert stopped.code == 0
    assert stopped.seconds < GRACE_SECONDS + PATIENCE_SECONDS / 2


def test_who_comes_late_is_refused_or_sent_elsewhere(stopped: Stopped) -> None:
    answered = [reader for reader in stopped.late if reader.status]
    assert {reader.status for reader in answered} <= {200, 503}  # the signal may come after the first
    assert all(reader.header("retry-after") for reader in answered if reader.status == 503)


def test_all_that_was_flagged_is_in_the_ledger_once(stopped: Stopped) -> None:
    answers = stopped.finite + stopped.endless + stopped.brief
    promised = {reader.header("x-trimtab-exchange") for reader, _ in answers}
    assert len(promised) == 3 * STREAMS
    assert promised <= stopped.ledger.keys()
    assert max(stopped.ledger.values()) == 1


def test_what_was_cut_off_is_not_recorded_as_left(stopped: Stopped) -> None:
    cut = {reader.header("x-trimtab-exchange") for reader, _ in stopped.endless}
    assert Counter(stopped.errors[each] for each in cut) == {"cut off": STREAMS}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/admin/policy"])
async def test_a_request_that_is_still_on_its_way_is_told_on_both_listeners(
    path: str, tmp_path: Path
) -> None:
    async with gateway_alone(tmp_path, "http://127.0.0.1:9", LIMITS__SHUTDOWN_SECONDS="1") as gateway:
        at = gateway.admin_url if path.startswith("/admin") else gateway.url
        stream, writer = await asyncio.open_connection("127.0.0.1", int(at.rpartition(":")[2]))
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
        writer.write(f"{head}content-length: 99\r\n\r\n{{".encode())
        await asyncio.sleep(0.5)
        await gateway.stop(PATIENCE_SECONDS)
        said = await stream.read()
        writer.close()
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"stopping"' in said
