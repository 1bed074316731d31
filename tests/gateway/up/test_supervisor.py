"""The supervisor, with real child processes that serve, die and hang."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.up.service import Service
from gateway.up.supervisor import NotReady, Refused, Supervisor

pytestmark = pytest.mark.slow  # seconds each: it trains, or starts what it asks

SERVE = """
import http.server, sys

class Fine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Fine).serve_forever()
"""
ASKING = """
import signal, sys, time, urllib.request

def ask(*_):
    time.sleep(0.5)  # in which whoever is stopped together with us would be gone
    print("status", urllib.request.urlopen(sys.argv[1], timeout=5).status, flush=True)
    sys.exit()

signal.signal(signal.SIGTERM, ask)
print("asking", flush=True)
time.sleep(60)
"""
WAITING = """
import pathlib, signal, sys, time

own, other = map(pathlib.Path, sys.argv[1:])

def wait(*_):
    own.touch()
    while not other.exists():
        time.sleep(0.01)
    print("both", flush=True)
    sys.exit()

signal.signal(signal.SIGTERM, wait)
print("waiting", flush=True)
time.sleep(60)
"""
REFUSING = "import sys; print('no such policy'); sys.exit(2)"
FAILS_LATER = f"import os, signal; signal.signal(signal.SIGUSR1, lambda *_: os._exit(2))\n{SERVE}"
DEAF = """
import signal, time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server(name: str = "web", program: str = SERVE) -> Service:
    port = free_port()
    return Service(name, (sys.executable, "-c", program, str(port)), f"http://127.0.0.1:{port}/health")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_ready_returns_once_every_service_answers(tmp_path: Path) -> None:
    events: list[tuple[str, str]] = []
    async with Supervisor([server("a"), server("b")], tmp_path, lambda *event: events.append(event)) as up:
        await up.ready(timeout_seconds=20)
        assert sorted(events) == [("a", "ready"), ("b", "ready")]


async def test_leaving_stops_every_child(tmp_path: Path) -> None:
    async with Supervisor([server()], tmp_path, lambda *_: None) as up:
        await up.ready(timeout_seconds=20)
        pid = up.pid("web")
    assert not alive(pid)


async def test_the_last_is_stopped_first_and_may_still_ask_the_others(tmp_path: Path) -> None:
    events: list[tuple[str, str]] = []
    web = server()
    asking = Service("asking", (sys.executable, "-c", ASKING, web.health_url), "http://127.0.0.1:9/health")
    async with Supervisor([web, asking], tmp_path, lambda *event: events.append(event)) as up:
        while "asking" not in up.log(asking).read_text():
            await asyncio.sleep(0.05)
    assert "status 200" in up.log(asking).read_text()
    assert events[-2:] == [("asking", "stopped"), ("web", "stopped")]


async def test_equals_are_stopped_at_once(tmp_path: Path) -> None:
    files = (str(tmp_path / "told-a"), str(tmp_path / "told-b"))
    pair = [
        Service(name, (sys.executable, "-c", WAITING, *order), "http://127.0.0.1:9/health", grace_seconds=20)
        for name, order in (("a", files), ("b", files[::-1]))
    ]
    async with Supervisor(pair, tmp_path, lambda *_: None, equals=True) as up:
        while not all("waiting" in up.log(each).read_text() for each in pair):
            await asyncio.sleep(0.05)
    assert all("both" in up.log(each).read_text() for each in pair)


async def test_a_second_signal_leaves_no_child_behind(tmp_path: Path) -> None:
    deaf = Service("deaf", (sys.executable, "-c", DEAF), "http://127.0.0.1:9/health", grace_seconds=60)
    up = Supervisor([deaf], tmp_path, lambda *_: None)
    await up.__aenter__()
    while "deaf" not in up.log(deaf).read_text():
        await asyncio.sleep(0.05)
    leaving = asyncio.create_task(up.__aexit__(None, None, None))
    await asyncio.sleep(0.1)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await up._processes["deaf"].wait() == -signal.SIGKILL


async def test_a_child_that_dies_is_reported_and_started_again(tmp_path: Path) -> None:
    events: list[tuple[str, str]] = []
    async with Supervisor([server()], tmp_path, lambda *event: events.append(event)) as up:
        await up.ready(timeout_seconds=20)
        first = up.pid("web")
        os.kill(first, signal.SIGKILL)
        while ("web", "started again") not in events:
            await asyncio.sleep(0.05)
        await up.ready(timeout_seconds=20)
        assert up.pid("web") != first
    assert ("web", "ended with SIGKILL; again in 0.5 s") in events


async def test_a_service_that_never_answers_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    broken = Service("broken", (sys.executable, "-c", "print('no such model')"), "http://127.0.0.1:9/health")
    async with Supervisor([broken], tmp_path, lambda *_: None) as up:
        with pytest.raises(NotReady, match=r"(?s)broken is not healthy.*no such model"):
            await up.ready(timeout_seconds=1)


async def test_a_service_that_refuses_to_start_is_not_waited_for(tmp_path: Path) -> None:
    async with Supervisor([server(), server("picky", REFUSING)], tmp_path, lambda *_: None) as up:
        async with asyncio.timeout(20):
            with pytest.raises(Refused, match=r"(?s)picky does not start.*no such policy"):
                await up.ready(timeout_seconds=600)


async def test_a_service_that_has_served_is_started_again_however_it_ended(tmp_path: Path) -> None:
    events: list[tuple[str, str]] = []
    web = server("web", FAILS_LATER)
    async with Supervisor([web], tmp_path, lambda *event: events.append(event)) as up:
        await up.ready(timeout_seconds=20)
        os.kill(up.pid("web"), signal.SIGUSR1)
        async with asyncio.timeout(20):
            while ("web", "started again") not in events:
                await asyncio.sleep(0.05)
    assert ("web", "ended with exit code 2; again in 0.5 s") in events


async def test_a_child_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    deaf = Service("deaf", (sys.executable, "-c", DEAF), "http://127.0.0.1:9/health", grace_seconds=0.2)
    async with Supervisor([deaf], tmp_path, lambda *_: None) as up:
        while "deaf" not in up.log(deaf).read_text():
            await asyncio.sleep(0.05)
        pid = up.pid("deaf")
    assert not alive(pid)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kernel's parent-death signal is Linux's"
)
def test_children_do_not_outlive_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from gateway.up.service import Service\n"
        "async def main():\n"
        "    process = await Service('s', ('sleep', '60'), '').start(pathlib.Path(sys.argv[1]) / 'log')\n"
        "    print(process.pid, flush=True)\n"
        "    await process.wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    for _ in range(100):
        if not alive(child):
            return
        signal.sigtimedwait([], 0.05)
    pytest.fail("the child is still alive")
