"""An engine, a reward server and a gateway without guards, each a process of its own, as selection is measured on."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import orjson

ROOT = Path(__file__).parents[3]
POLICY = "name: bench\nversion: 1\nbounds: {max_n: 64, max_deadline_ms: 300000}\n"
START_SECONDS = 180.0
# As .ci/vllm runs it: without compiling, and with one thread that computes.
VLLM = {
    "TORCHDYNAMO_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
}
VLLM_FLAGS = (
    "--served-model-name base --max-num-seqs 32 --dtype float32 --enforce-eager --kv-cache-memory-bytes 256M"
)


@dataclass(frozen=True)
class Stack:
    """What can be asked, and whom it rests on."""

    gateway: str  # /v1 included, as the others
    engine: str
    rewards: str
    key: str

    def client(self) -> httpx.Client:
        """A client of the gateway."""
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.gateway, headers=headers, timeout=300, trust_env=False)


@contextmanager
def stack(folder: Path, python: str | None = None, **settings: Any) -> Iterator[Stack]:
    """The pocket policy behind vLLM, where its Python is named, else behind the pocket engine; settings by variable."""
    with ExitStack() as opened:
        engine = opened.enter_context(vllm(python) if python else pocket())
        rewards = opened.enter_context(reward_server())
        yield opened.enter_context(gateway(folder, engine, rewards, settings))


@contextmanager
def vllm(python: str) -> Iterator[str]:
    """vLLM on the CPU with the pocket policy; the URL with /v1."""
    port = free_port()
    server = ROOT / "tests/vllm/serve.py"
    model = str(files("gateway.engines.pocket") / "policy")
    command = [python, str(server), "serve", model, "--host", "127.0.0.1", "--port", str(port)]
    with process([*command, *VLLM_FLAGS.split()], VLLM, f"http://127.0.0.1:{port}/health"):
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def pocket() -> Iterator[str]:
    """The pocket engine; the URL with /v1."""
    port = free_port()
    command = [sys.executable, "-m", "gateway", "engine", "--port", str(port), "--served-model-name", "base"]
    with process(command, {}, f"http://127.0.0.1:{port}/health"):
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def reward_server(port: int = 0) -> Iterator[str]:
    """The packaged reward model."""
    port = port or free_port()
    command = [sys.executable, "-m", "gateway", "reward", "serve", "--port", str(port), "--cpu-threads", "1"]
    with process(command, {}, f"http://127.0.0.1:{port}/health"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def gateway(folder: Path, engine: str, rewards: str, settings: Mapping[str, Any]) -> Iterator[Stack]:
    """A gateway as anybody starts one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.yaml").write_text(POLICY)
    port, key = free_port(), folder / "key"
    command = [sys.executable, "-m", "gateway", "gateway", "serve", "--engine", engine, "--model", "base"]
    command += ["--port", str(port), "--policy", str(folder / "policy.yaml"), "--key-file", str(key)]
    variables = {"TRIMTAB_REWARD__URL": rewards, "TRIMTAB_LIMITS__MAX_N": "64", "TRIMTAB_HOME": str(folder)}
    variables |= {f"TRIMTAB_{name.upper()}": str(value) for name, value in settings.items()}
    with process(command, variables, f"http://127.0.0.1:{port}/health"):
        yield Stack(f"http://127.0.0.1:{port}/v1", engine, rewards, key.read_text().strip())


@contextmanager
def process(command: Sequence[str], variables: Mapping[str, str], health: str) -> Iterator[None]:
    """A server until the block ends, with all that it has started; what it says goes to build/bench."""
    log = ROOT / "build/bench/servers.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as said:
        running = subprocess.Popen(
            command, env=os.environ | variables, cwd=ROOT, stdout=said, stderr=said, start_new_session=True
        )
    try:
        until_healthy(running, health)
        yield
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def until_healthy(running: "subprocess.Popen[bytes]", health: str) -> None:
    """Wait for a server to serve; raises RuntimeError when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and running.poll() is None:
        try:
            if httpx.get(health, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"no server at {health}: see build/bench/servers.log")


def free_port() -> int:
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def questions(count: int) -> list[str]:
    """So many of the exam's prompts, spread over its kinds."""
    text = (files("finetune.pocket") / "prompts" / "exam.jsonl").read_text("utf-8")
    rows = [orjson.loads(line)["messages"][-1]["content"] for line in text.splitlines()]
    return [rows[place * len(rows) // count] for place in range(count)]


def ask(client: httpx.Client, question: str, strategy: str, n: int, seed: int, **more: Any) -> dict[str, Any]:
    """One answer with its explanation."""
    body = {
        "model": "base",
        "messages": [{"role": "user", "content": question}],
        "max_tokens": 96,
        "temperature": 1.0,
        "seed": seed,
        "alignment": {"strategy": strategy, "n": n, "explain": True},
        **more,
    }
    answer = client.post("/chat/completions", json=body)
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()["alignment"]
    return told


def reward_in(told: Mapping[str, Any]) -> float:
    """The winner's reward."""
    return float(next(each["reward"] for each in told["candidates"] if each["chosen"]))
