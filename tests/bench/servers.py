"""The servers that are compared, each a process of its own; one at a time has core 0 to itself."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.load import Target

EMPTY_POLICY = "name: none\nversion: 1\n"
UPSTREAM_PORT = 9100  # which peers' own configurations name


@dataclass(frozen=True)
class Server:
    """A server process, and how it is asked."""

    target: Target
    pid: int

    @property
    def cpu_seconds(self) -> float:
        """Processor time that it has used, in all its threads (read where Linux tells it)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def megabytes(self) -> float:
        """Memory that it holds."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


@contextmanager
def servers(folder: Path) -> Iterator[dict[str, Server]]:
    """Ours and the bare pass-through, and the engine itself."""
    (folder / "empty.yaml").write_text(EMPTY_POLICY)
    upstream = f"http://127.0.0.1:{UPSTREAM_PORT}/v1"
    with ExitStack() as stack:
        asked = command("tests.bench.upstream", str(UPSTREAM_PORT))
        direct = stack.enter_context(serving(asked, {}, 1, Target(UPSTREAM_PORT)))
        port = free_port()
        asked = command("tests.bench.passthrough", str(port), upstream)
        bare = stack.enter_context(serving(asked, {}, 0, Target(port)))
        unguarded = stack.enter_context(
            gateway(folder / "unguarded", upstream, "--policy", str(folder / "empty.yaml"))
        )
        guarded = stack.enter_context(gateway(folder / "guarded", upstream))
        yield {"direct": direct, "bare": bare, "unguarded": unguarded, "guarded": guarded}


@contextmanager
def gateway(home: Path, upstream: str, *more: str) -> Iterator[Server]:
    """A gateway as anybody starts one, with a home and a key of its own."""
    home.mkdir()
    port, key = free_port(), home / "key"
    asked = command(
        "gateway", "gateway", "serve", "--engine", upstream, "--model", "bench", "--port", str(port)
    )
    asked += ["--home", str(home), "--key-file", str(key), *more]
    with serving(asked, {}, 0, Target(port)) as server:
        headers = {"authorization": f"Bearer {key.read_text().strip()}"}
        yield Server(Target(port, "bench", headers), server.pid)


@contextmanager
def serving(
    command: list[str],
    variables: Mapping[str, str],
    core: int,
    target: Target,
    health: str = "/health",
    url_file: Path | None = None,
) -> Iterator[Server]:
    """A server process on a core, until the block ends; one that chooses its own port tells it in a file."""
    process = subprocess.Popen(command, env=environment(variables), stdout=subprocess.DEVNULL)
    pin(process.pid, core)
    try:
        deadline = time.monotonic() + 120
        while not (target := found(target, url_file)).port or not answers(target.port, health):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command[2:4])} did not start")
            time.sleep(0.05)
        yield Server(target, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def found(target: Target, url_file: Path | None) -> Target:
    """The target at the URL that the file tells, once there is one."""
    if url_file is None or not url_file.exists():
        return target
    url = urlsplit(url_file.read_text().strip())
    return replace(target, port=url.port or 0, path=f"{url.path}/chat/completions")


def answers(port: int, health: str) -> bool:
    """Whether a server answers; that it has no such path will do, for not every one tells how it is."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{health}", timeout=2) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code == 404
    except OSError:
        return False


def set_upstream(**manner: float) -> None:
    """Have the engine stream in another manner."""
    told = "&".join(f"{name}={value}" for name, value in manner.items())
    url = f"http://127.0.0.1:{UPSTREAM_PORT}/__set?{told}"
    with urllib.request.urlopen(urllib.request.Request(url, data=b"", method="POST"), timeout=5):
        pass


def command(module: str, *arguments: str) -> list[str]:
    """One of our modules, run by this very Python."""
    return [sys.executable, "-m", module, *arguments]


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours without what would change a gateway's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRIMTAB_")}
    return {**kept, "OMP_NUM_THREADS": "1", **more}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def pin(process: int, core: int) -> None:
    """Keep a process (0 is this one) to a core, where the system knows how."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(process, {core % (os.cpu_count() or 1)})
