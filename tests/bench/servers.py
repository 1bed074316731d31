"""The servers that are compared, each a process of its own on a free port."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVERS = ("direct", "bare", "unguarded", "guarded")
EMPTY_POLICY = "name: none\nversion: 1\n"


@dataclass(frozen=True)
class Server:
    """A server process, and where it listens."""

    port: int
    pid: int

    @property
    def cpu_seconds(self) -> float:
        """Processor time that it has used, in all its threads (read where Linux tells it)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def servers(folder: Path) -> Iterator[tuple[dict[str, Server], str]]:
    """All of them, and a key for the gateways."""
    (folder / "empty.yaml").write_text(EMPTY_POLICY)
    with ExitStack() as stack:
        port = free_port()
        upstream = f"http://127.0.0.1:{port}/v1"
        direct = stack.enter_context(serving(command("tests.bench.upstream", str(port)), {}, 1, port))
        port = free_port()
        asked = command("tests.bench.passthrough", str(port), upstream)
        bare = stack.enter_context(serving(asked, {}, 0, port))
        # One database for both gateways, so that one key opens both.
        ledger = {"TRIMTAB_LEDGER__URL": f"sqlite+aiosqlite:///{folder / 'ledger.db'}"}
        told = {**ledger, "TRIMTAB_ENGINES": json.dumps([{"url": upstream}])}
        empty = {"TRIMTAB_GUARDS__POLICY": str(folder / "empty.yaml")}
        key = first_key(ledger)
        unguarded = stack.enter_context(gateway(folder / "unguarded", {**told, **empty}))
        guarded = stack.enter_context(gateway(folder / "guarded", told))
        yield {"direct": direct, "bare": bare, "unguarded": unguarded, "guarded": guarded}, key


@contextmanager
def gateway(home: Path, variables: dict[str, str]) -> Iterator[Server]:
    """A gateway with its own journal."""
    port = free_port()
    more = {"TRIMTAB_HOME": str(home), "TRIMTAB_ADMIN__PORT": str(free_port())}
    with serving(
        command("gateway", "gateway", "--port", str(port)), {**variables, **more}, 0, port
    ) as server:
        yield server


def first_key(variables: dict[str, str]) -> str:
    """A key's secret."""
    asked = command("gateway", "keys", "create", "bench")
    made = subprocess.run(asked, env=environment(variables), check=True, capture_output=True, text=True)
    return made.stdout.strip().splitlines()[0]


@contextmanager
def serving(command: list[str], variables: dict[str, str], core: int, port: int) -> Iterator[Server]:
    """A server process on a core, until the block ends."""
    process = subprocess.Popen(command, env=environment(variables))
    pin(process.pid, core)
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command[2:4])} did not start")
            time.sleep(0.05)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int) -> bool:
    """Whether a server says that it is well."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def command(module: str, *arguments: str) -> list[str]:
    """One of our modules, run by this very Python."""
    return [sys.executable, "-m", module, *arguments]


def environment(more: dict[str, str]) -> dict[str, str]:
    """Ours without what would change a gateway's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRIMTAB_")} | more


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def pin(process: int, core: int) -> None:
    """Keep a process (0 is this one) to a core, where the system knows how."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(process, {core % (os.cpu_count() or 1)})
