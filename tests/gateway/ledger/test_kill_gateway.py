"""kill -9 of a whole gateway under load: what was flagged and answered in full is in the ledger, once."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import httpx
import pytest

from gateway.ledger.database import Database
from gateway.tenants.keys import KeyStore
from tests.fakes.engine import fake_engine
from tests.gateway.ledger.test_kill import stored

ROUNDS = 6
CLIENTS = 16
POLICY = """
name: flags
version: 1
refusal: {as: refuse, text: "No."}
stream: {hold_back_chars: 16, overlap_chars: 64}
deadline_ms: 20000
guards:
  - id: words
    kind: patterns
    where: [prompt, reply]
    on_error: closed
    timeout_ms: 20000
    hazards: {X.odd: {action: flag, threshold: 0.5}}
    config: {patterns: {words: {hazard: X.odd, terms: [herring]}}}
"""

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def home(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


@contextmanager
def gateway(home, engine_url, port):
    """The real command, until it is killed; ready when it answers."""
    said = {
        "TRIMTAB_HOME": home,
        "TRIMTAB_ENGINES": json.dumps([{"name": "fake", "url": f"{engine_url}/v1"}]),
        "TRIMTAB_GUARDS__POLICY": home / "policy.yaml",
        "TRIMTAB_LISTEN__PORT": port,
        "TRIMTAB_ADMIN__PORT": free_port(),
    }
    environment = os.environ | {name: str(value) for name, value in said.items()}
    with (home / "log").open("ab") as log:
        command = [sys.executable, "-m", "gateway", "gateway", "serve"]
        process = subprocess.Popen(command, env=environment, stderr=log, stdout=log)
    try:
        wait_ready(process, port, home / "log")
        yield process
    finally:
        process.kill()
        process.wait()


def wait_ready(process, port, log):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with suppress(httpx.HTTPError):
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(log.read_text())


async def client(http, name, promised):
    """Ask for ever, plain and streamed by turns; note what was flagged and came in full."""
    number = 0
    while True:
        number += 1
        text = f"{name} {number}: {'a herring' if number % 4 else 'a hake'}"
        body = {
            "model": "assistant",
            "messages": [{"role": "user", "content": text}],
            "stream": number % 2 == 0,
        }
        try:
            async with http.stream("POST", "/v1/chat/completions", json=body) as answer:
                said = await answer.aread()
        except httpx.HTTPError:
            return  # killed
        assert answer.status_code == 200, said
        if number % 4 and (not body["stream"] or said.endswith(b"data: [DONE]\n\n")):
            promised.add(answer.headers["x-trimtab-exchange"])


async def load_until_killed(port, key, process, seconds):
    """What clients were promised until a kill after some seconds."""
    promised = set()
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as http:
        clients = [asyncio.create_task(client(http, f"client {n}", promised)) for n in range(CLIENTS)]
        deadline = time.monotonic() + 60
        while not promised and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        await asyncio.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        await asyncio.gather(*clients)
    return promised


async def test_every_answered_flagged_exchange_is_in_the_ledger_once(home):
    url, dice, promised = f"sqlite:///{home / 'ledger.db'}", random.Random(7), set()
    async with Database(url) as database:
        _, key = await KeyStore(database, "test").create("client", "application")
    with fake_engine() as (engine, behind):
        for _ in range(ROUNDS):
            port = free_port()
            with gateway(home, behind.url, port) as process:
                promised |= await load_until_killed(port, key, process, dice.uniform(0, 1.5))
            engine.requests.clear()
        with gateway(home, behind.url, free_port()) as process:  # stores what the killed ones left behind
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 60) == 0
    found = await stored(url)
    assert len(promised) > 20
    assert promised <= found.keys()
    assert max(found.values()) == 1
