"""Two replicas of one policy model and a gateway before them, each a process of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway.admin.client import AdminClient
from tests.fakes.gateway_alone import free_port, key_in, policy_file, started, wait_until_it_answers
from tests.vllm.conftest import ENVIRONMENT

BASE = "base"
MOST_RANK = 8
CONTEXT = 1024
SERVE = Path(__file__).parents[3] / "vllm" / "serve.py"


@dataclass
class Engine:
    """A replica's process, how it is started, and its `/v1` URL."""

    name: str
    url: str
    command: list[str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it, in a group of processes of its own."""
        environment = os.environ | ENVIRONMENT
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self) -> None:
        """Return once it serves."""
        assert self.process is not None
        wait_until_it_answers(self.process, f"{self.url.removesuffix('/v1')}/health", self.log)

    @property
    def gone(self) -> bool:
        """Whether its process has ended."""
        return self.process is not None and self.process.poll() is not None

    def restart(self) -> None:
        """SIGKILL to all of its processes, where any are left, and then what a supervisor does."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.start()
        self.wait()

    def ask(self, body: dict[str, Any]) -> tuple[str, float]:
        """What it says itself, with no gateway between, and by how much each token at least was the likeliest."""
        path, told = f"{self.url}/chat/completions", body | {"logprobs": True, "top_logprobs": 2}
        answer = httpx.post(path, json=told, timeout=120, trust_env=False).raise_for_status().json()
        [choice] = answer["choices"]
        tops = [each["top_logprobs"] for each in choice["logprobs"]["content"]]
        lead = min(top[0]["logprob"] - top[1]["logprob"] for top in tops)
        return str(choice["message"]["content"]), float(lead)

    def models(self) -> set[str]:
        """The names that it lists."""
        listed = httpx.get(f"{self.url}/models", timeout=30, trust_env=False).raise_for_status().json()
        return {each["id"] for each in listed["data"]}

    def holds(self) -> str:
        """The weights that it says it holds."""
        path = f"{self.url.removesuffix('/v1')}/weight_info"
        told = httpx.get(path, timeout=30, trust_env=False).raise_for_status().json()
        return str(told["weight_version"])

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """One of its own routes, beneath `/v1` or beside it."""
        return httpx.post(f"{self.url.removesuffix('/v1')}{path}", json=body, timeout=120, trust_env=False)


@dataclass(frozen=True)
class Stack:
    """Everything that is asked."""

    engines: tuple[Engine, ...]
    url: str
    admin_url: str
    key: str
    admin_key: str
    kind: str

    def admin(self) -> AdminClient:
        """The operator's client; use it as an async context manager."""
        return AdminClient(self.admin_url, self.admin_key)


@contextmanager
def stack(folder: Path, policy: Path, *, managed: bool = False) -> Iterator[Stack]:
    """Both replicas and the gateway; real vLLM where TRIMTAB_TEST_VLLM names a Python that has it."""
    with ExitStack() as opened:
        engines = tuple(
            opened.enter_context(engine(folder, policy, name, managed=managed)) for name in ("one", "two")
        )
        for each in engines:
            each.wait()
        yield opened.enter_context(gateway(folder, engines, managed=managed))


@contextmanager
def engine(folder: Path, policy: Path, name: str, *, managed: bool) -> Iterator[Engine]:
    """One replica, its whole group of processes ended afterwards."""
    port, log = free_port(), folder / f"{name}.log"
    made = Engine(name, f"http://127.0.0.1:{port}/v1", command(policy, port, managed=managed), log)
    made.start()
    try:
        yield made
    finally:
        assert made.process is not None
        ended(made.process)


def command(policy: Path, port: int, *, managed: bool) -> list[str]:
    """How a replica is started."""
    if python := os.environ.get("TRIMTAB_TEST_VLLM"):
        lora = f"--enable-lora --max-loras 4 --max-cpu-loras 8 --max-lora-rank {MOST_RANK}"
        flags = (
            f"--host 127.0.0.1 --port {port} --served-model-name {BASE} --max-model-len {CONTEXT} "
            f"--max-num-seqs 32 --dtype float32 --enforce-eager --kv-cache-memory-bytes 64M "
            f"{'' if managed else lora}"
        )
        return [python, str(SERVE), "serve", str(policy), *flags.split()]
    flags = f"--model {policy} --port {port} --served-model-name {BASE} --max-lora-rank {MOST_RANK}"
    flags += " --dev-mode" if managed else ""
    return [sys.executable, "-m", "gateway", "engine", *flags.split()]


def kind() -> str:
    """Which engines those are."""
    return (
        "vLLM's CPU build (naps in place of its spinning waits)"
        if os.environ.get("TRIMTAB_TEST_VLLM")
        else "the pocket engine, for want of vLLM"
    )


def ended(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its children."""
    for how, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, 20)):
        if process.poll() is None:
            os.killpg(process.pid, how)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue


@contextmanager
def gateway(folder: Path, engines: tuple[Engine, ...], *, managed: bool) -> Iterator[Stack]:
    """A gateway with guards that take no time, so that what is measured is the swap."""
    home, port, admin = folder / "home", free_port(), free_port()
    home.mkdir()
    own = {"managed": True} if managed else {}
    variables = {
        "ENGINES": json.dumps([{"name": each.name, "url": each.url, **own} for each in engines]),
        "BASE_MODEL": BASE,
        "ALIAS": "assistant",
        "GUARDS__POLICY": str(policy_file(home)),
    }
    key, admin_key = asyncio.run(keys(home))
    ports = ["--port", str(port), "--admin-port", str(admin), "--home", str(home)]
    process = started([sys.executable, "-m", "gateway", "gateway", "serve", *ports], home / "log", variables)
    try:
        wait_until_it_answers(process, f"http://127.0.0.1:{port}/health", home / "log")
        yield Stack(engines, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}", key, admin_key, kind())
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


async def keys(home: Path) -> tuple[str, str]:
    """One to ask with, and one to operate with."""
    return await key_in(home, "application"), await key_in(home, "admin")
