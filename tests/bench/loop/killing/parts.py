"""PostgreSQL, an engine and a gateway, each a process of its own that dies by SIGKILL and is started again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from tests.fakes.gateway_alone import free_port, started, wait_until_it_answers


class Part(Protocol):
    """What can be killed."""

    def start(self) -> None:
        """Start it, and return once it serves."""
        ...

    def kill(self) -> None:
        """At once, as when a machine dies."""
        ...


@dataclass
class Postgres:
    """A cluster of our own; as root it runs as `nobody`, for PostgreSQL refuses root."""

    folder: Path
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        if os.getuid() == 0:
            for path in (self.folder, *self.folder.parents):
                if path.is_relative_to("/tmp") and path != Path("/tmp"):
                    path.chmod(0o755)
            shutil.chown(self.folder, "nobody")
        self._run("initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        log = self.folder / "log"
        self._run("pg_ctl", "-w", "-D", self.folder / "data", "-o", options, "-l", log, "start")

    def kill(self) -> None:
        """Every process of the cluster, with no word to any of them."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
        for each in (pid, *map(int, children.stdout.split())):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        while Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
            time.sleep(0.02)
        # A container without an init keeps the dead one's number, and PostgreSQL takes that for a sign of life.
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def _run(self, *command: object) -> None:
        user = "nobody" if os.getuid() == 0 else None
        subprocess.run(
            list(map(str, command)), check=True, user=user, cwd=self.folder, stdout=subprocess.DEVNULL
        )


@dataclass
class Engine:
    """The scripted engine."""

    log: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        self.process = started(
            [sys.executable, "-m", "tests.bench.loop.killing.engine", str(self.port)], self.log, {}
        )
        wait_until_it_answers(self.process, f"http://127.0.0.1:{self.port}/health", self.log)

    def kill(self) -> None:
        end(self.process)

    def models(self) -> set[str]:
        """What it lists."""
        listed = httpx.get(f"{self.url}/models", timeout=5, trust_env=False).json()["data"]
        return {each["id"] for each in listed}


@dataclass
class Gateway:
    """The real command."""

    home: Path
    engine: str  # empty where `settings` name engines
    ledger: str
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)  # variables without their prefix
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    def start(self) -> None:
        told = [*(["--engine", self.engine] if self.engine else []), "--home", str(self.home)]
        ports = ["--port", str(self.port), "--admin-port", str(self.admin_port)]
        command = [sys.executable, "-m", "gateway", "gateway", "serve", *told, *ports]
        log = self.home / "gateway.log"
        self.process = started(
            command, log, {"LEDGER__URL": self.ledger, "ALIAS": "assistant", **self.settings}
        )
        wait_until_it_answers(self.process, f"{self.url}/health", log)

    def kill(self) -> None:
        end(self.process)


def end(process: "subprocess.Popen[bytes] | None") -> None:
    """SIGKILL, and wait until it is gone."""
    if process is not None:
        process.kill()
        process.wait()
