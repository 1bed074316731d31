"""One trial: a retraining during which one part is killed as one step begins, and what must hold afterwards."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from gateway.ledger.database import Database
from tests.bench.loop.killing.parts import Engine, Gateway, Part, Postgres

LEASE_SECONDS, PATIENCE_SECONDS = 12.0, 12.0
SHORT_LEASE_SECONDS = 1.5  # where the worker itself dies, so that its heir need not wait long
LONGEST_SECONDS = 90.0
NOTHING: Mapping[str, Any] = {}


@dataclass
class Stack:
    """Everything beside the worker."""

    folder: Path
    database: Postgres
    engine: Engine
    gateway: Gateway
    admin_key: str = ""
    key: str = ""

    def part(self, name: str) -> Part:
        """A part that can be killed."""
        parts: dict[str, Part] = {"database": self.database, "engine": self.engine, "gateway": self.gateway}
        return parts[name]


@dataclass
class Trial:
    """What was killed when, what came of the run, and what was wrong."""

    victim: str
    step: str
    ended: dict[str, Any] | None = None
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


class WorkerProcess:
    """A worker of its own process; it stands still at each step."""

    def __init__(
        self,
        stack: Stack,
        nonce: int,
        lease: float,
        module: str = "tests.bench.loop.killing.worker",
        more: Mapping[str, Any] = NOTHING,
    ) -> None:
        told = {
            "folder": str(stack.folder),
            "worker": f"worker-{nonce}-{time.monotonic_ns()}",
            "lease": lease,
            "patience": PATIENCE_SECONDS,
            "nonce": nonce,
            "database": stack.database.url,
            "admin_url": stack.gateway.admin_url,
            "admin_key": stack.admin_key,
            **more,
        }
        command = [sys.executable, "-m", module, json.dumps(told)]
        self.log = (stack.folder / f"worker-{nonce}.log").open("ab")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )

    def heard(self) -> dict[str, Any] | None:
        """Its next line; None once it is gone."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        told: dict[str, Any] | None = json.loads(line) if line else None
        return told

    def comes_to(self, step: str) -> bool:
        """Let it go on until it stands still at a step; False when it ends before."""
        while (told := self.heard()) is not None and "ended" not in told:
            if told["step"] == step:
                return True
            self.go_on()
        return False

    def end(self) -> dict[str, Any] | None:
        """Let it go on to its end, and give what it told of that; None when it died, or took too long."""
        alarm = threading.Timer(LONGEST_SECONDS, self.process.kill)
        alarm.start()
        while (told := self.heard()) is not None and "ended" not in told:
            self.go_on()
        alarm.cancel()
        return told and told["ended"]

    def go_on(self) -> None:
        """Let it do what it told."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.log):
            with suppress(BrokenPipeError):  # of what was not read any more
                pipe.close()


def trial(stack: Stack, victim: str, step: str, nonce: int) -> Trial:
    """A run of which `victim` is killed as `step` begins."""
    found, began = Trial(victim, step), time.monotonic()
    worker = WorkerProcess(stack, nonce, SHORT_LEASE_SECONDS if victim == "worker" else LEASE_SECONDS)
    if not worker.comes_to(step):
        found.wrong.append(f"the run never came to {step!r}")
    elif victim == "worker":
        worker.kill()
        worker = WorkerProcess(stack, nonce, LEASE_SECONDS)
        found.ended = worker.end()
    else:
        with missing(stack.part(victim)):
            worker.go_on()
            found.ended = worker.end()
    worker.kill()
    found.seconds = time.monotonic() - began
    found.wrong += wrongs(stack, found, nonce)
    return found


@contextmanager
def missing(part: Part) -> Iterator[None]:
    """Kill it, and have it started again meanwhile, as a supervisor does."""

    def back() -> None:
        time.sleep(0.3)
        part.start()

    part.kill()
    restart = threading.Thread(target=back)
    restart.start()
    yield
    restart.join()


def wrongs(stack: Stack, found: Trial, nonce: int) -> list[str]:
    """What must not be after a run, whatever died."""
    if found.ended is None:
        log = (stack.folder / f"worker-{nonce}.log").read_text().strip().splitlines()
        return [f"the run did not end: {' | '.join(log[-3:])}"]
    if not found.ended["promoted"]:
        return rolled_back(stack, found)
    version, wrong = str(found.ended["version"]), []
    counts = asyncio.run(counted(stack.database.url, patterns_of(version, nonce)))
    wrong += [f"{count} {what}, not 1" for what, count in counts.items() if count != 1]
    trained = (stack.folder / "trainings").read_text().split().count(str(nonce))
    if trained != 1:
        wrong.append(f"it was trained {trained} times")
    return wrong + unserved(stack, version)


def rolled_back(stack: Stack, found: Trial) -> list[str]:
    """A run that gave its version up: only as it says so, and with the version from before in force."""
    assert found.ended is not None
    reasons = "; ".join(found.ended["reasons"])
    if "rolled back to " not in reasons:
        return [f"not promoted, and nothing but a kill stood against it: {reasons}"]
    return unserved(stack, reasons.rpartition("rolled back to ")[2])


def patterns_of(version: str, nonce: int) -> dict[str, str]:
    """What the rows of this trial hold; JSON is kept without spaces."""
    return {"version": version, "weights": f'%"{version}":1.0%', "adapter": f'%adapter-{nonce}"%'}


COUNTS = {
    "versions of the run": "SELECT count(*) FROM versions WHERE id LIKE :version",
    "times it was promoted": (
        "SELECT count(*) FROM transitions WHERE kind = 'rollout' AND CAST(after AS text) LIKE :weights"
    ),
    "finished trainings of it": (
        "SELECT count(*) FROM retraining_steps WHERE step = 'train' AND state = 'done' "
        "AND CAST(evidence AS text) LIKE :adapter"
    ),
}


async def counted(url: str, told: Mapping[str, str]) -> dict[str, int]:
    """What must be in the ledger once."""
    async with Database(url) as database, database.read() as connection:
        return {
            name: int((await connection.execute(text(query), told)).scalar_one())
            for name, query in COUNTS.items()
        }


def unserved(stack: Stack, version: str) -> list[str]:
    """Whether clients are answered by the new version; an engine that came back has some seconds to be given it."""
    body = {"model": "assistant", "messages": [{"role": "user", "content": "Hello?"}]}
    told, until = "", time.monotonic() + 15
    while time.monotonic() < until:
        try:
            answer = httpx.post(
                f"{stack.gateway.url}/v1/chat/completions",
                json=body,
                headers={"authorization": f"Bearer {stack.key}"},
                timeout=10,
                trust_env=False,
            )
            told = f"{answer.status_code} by {answer.headers.get('x-trimtab-version')}"
            if told == f"200 by {version}" and version in stack.engine.models():
                return []
        except httpx.HTTPError as error:
            told = type(error).__name__
        time.sleep(0.2)
    return [f"clients are not answered by it: {told}"]
