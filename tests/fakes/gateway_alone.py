"""A gateway in a process of its own, as operators start it, in front of an engine that a test scripts."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway.ledger.database import Database
from gateway.tenants.keys import KeyStore
from gateway.tenants.terms import NO_TERMS, Terms

# A guard that finds plain words, so that what tests say of load is not about a classifier's speed.
POLICY = """
name: {name}
version: 1
refusal: {{as: refuse, text: "No."}}
stream: {{hold_back_chars: 16, overlap_chars: 64}}
deadline_ms: 600000
guards:
  - id: words
    kind: patterns
    where: [prompt, reply]
    on_error: closed
    timeout_ms: 20000
    hazards: {{X.odd: {{action: {action}, threshold: 0.5}}}}
    config: {{patterns: {{words: {{hazard: X.odd, terms: [{word}]}}}}}}
"""


@dataclass
class GatewayAlone:
    """The process, where it listens, and where it lives."""

    process: "subprocess.Popen[bytes]"
    url: str
    admin_url: str
    home: Path
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def resident_bytes(self) -> int:
        """Memory that it holds now."""
        said = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, check=True
        )
        return int(said.stdout) * 1024

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    async def stop(self, seconds: float) -> tuple[int, float]:
        """End it as an orchestrator would; its exit code, and how long it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self.process.wait, seconds)
        return code, time.monotonic() - began

    def metrics(self) -> dict[str, float]:
        """Every series that it tells, by its name and labels."""
        lines = (
            httpx.get(f"{self.url}/metrics", timeout=30, trust_env=False).raise_for_status().text.splitlines()
        )
        told = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {series: float(value) for series, _, value in told}


@asynccontextmanager
async def gateway_alone(
    home: Path, engine_url: str, *arguments: str, **variables: str
) -> AsyncIterator[GatewayAlone]:
    """A gateway that answers; `variables` are those of its settings, without their prefix."""
    port, admin = free_port(), free_port()
    told = ["--engine", engine_url, "--port", str(port), "--admin-port", str(admin), "--home", str(home)]
    command = [sys.executable, "-m", "gateway", "gateway", "serve", *told, *arguments]
    key = await key_in(home, "application")
    process = started(command, home / "log", variables)
    try:
        health = f"http://127.0.0.1:{port}/health"
        await asyncio.to_thread(wait_until_it_answers, process, health, home / "log")
        # Of several workers another one serves operators, and may be later; without a key it answers 401.
        operators = f"http://127.0.0.1:{admin}/admin/health"
        await asyncio.to_thread(wait_until_it_answers, process, operators, home / "log", 401)
        yield GatewayAlone(process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}", home, key)
    finally:
        if process.poll() is None:
            process.terminate()  # which a supervisor passes on
            await asyncio.to_thread(end, process)


def started(command: list[str], log: Path, variables: dict[str, str]) -> "subprocess.Popen[bytes]":
    """The command, with no settings but these."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRIMTAB_")}
    ours = {f"TRIMTAB_{name}": value for name, value in variables.items()}
    with log.open("wb") as output:
        return subprocess.Popen(command, env=clean | ours, stdout=output, stderr=output)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Wait for it, and not for ever."""
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


async def key_in(home: Path, role: Any, terms: Terms = NO_TERMS) -> str:
    """A new key in the ledger of a gateway that lives there."""
    async with Database(f"sqlite+aiosqlite:///{home / 'ledger.db'}") as database:
        _, secret = await KeyStore(database, "tests").create("tests", role, terms)
    return secret


def wait_until_it_answers(process: "subprocess.Popen[bytes]", url: str, log: Path, status: int = 200) -> None:
    """Return once a URL answers with this status; raises AssertionError, with the log, when the process ends before."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url, timeout=2, trust_env=False).status_code == status:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError(log.read_text())


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def policy_file(home: Path, name: str = "words", *, action: str = "flag", word: str = "herring") -> Path:
    """A policy of one word, written down."""
    path = home / f"{name}.yaml"
    path.write_text(POLICY.format(name=name, action=action, word=word))
    return path
