"""The same policy behind a real vLLM and behind the pocket engine, each in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from gateway.engines.http import HttpEngine
from gateway.engines.origin import Origins
from tests.fakes.gateway import Running, running_gateway
from tests.fakes.tiny_adapter import make_tiny_adapter
from tests.fakes.tiny_policy import make_tiny_policy

PYTHON = os.environ.get("TRIMTAB_TEST_VLLM")
MOST_RANK = 8
CONTEXT = 8192  # an answer that fills it takes half a minute: time enough to leave
# Without the first, one request compiles for twenty seconds; the sixth enables loading adapters.
ENVIRONMENT = {
    "TORCHDYNAMO_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
    "VLLM_SERVER_DEV_MODE": "1",  # which opens the routes that pause it and reload its weights
    # One thread computes: those that spin on every core leave none to the server that tells the tokens.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
}
START_SECONDS = 180


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_policy(tmp_path_factory.mktemp("policy"), CONTEXT)


@pytest.fixture(scope="session")
def adapters(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of adapters: `one` and `two` are sound, each of the others is not, in its own way."""
    folder = tmp_path_factory.mktemp("adapters")
    make_tiny_adapter(policy, folder / "one", seed=1)
    make_tiny_adapter(policy, folder / "two", seed=2)
    make_tiny_adapter(policy, folder / "too_large", rank=2 * MOST_RANK)
    make_tiny_adapter(policy, folder / "dora", use_dora=True)
    truncated = make_tiny_adapter(policy, folder / "truncated") / "adapter_model.safetensors"
    truncated.write_bytes(truncated.read_bytes()[:100])
    return folder


@pytest.fixture(scope="session")
def vllm_url(policy: Path) -> Iterator[str]:
    port = free_port()
    server = Path(__file__).with_name("serve.py")
    flags = (
        f"--host 127.0.0.1 --port {port} --served-model-name base --max-model-len {CONTEXT} --max-num-seqs 16 "
        f"--dtype float32 --enforce-eager --kv-cache-memory-bytes 64M "
        f"--enable-lora --max-loras 3 --max-lora-rank {MOST_RANK} "
        "--enable-auto-tool-choice --tool-call-parser hermes"
    )
    yield from served([str(PYTHON), str(server), "serve", str(policy), *flags.split()], port)


@pytest.fixture(scope="session")
def pocket_url(policy: Path) -> Iterator[str]:
    port = free_port()
    flags = f"--model {policy} --port {port} --served-model-name base --max-lora-rank {MOST_RANK} --dev-mode"
    yield from served([sys.executable, "-m", "gateway", "engine", *flags.split()], port)


def served(command: list[str], port: int) -> Iterator[str]:
    """The `/v1` URL of a server, once it is healthy; its whole process group is ended afterwards."""
    process = subprocess.Popen(command, env=os.environ | ENVIRONMENT, start_new_session=True)
    try:
        until_healthy(process, f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until_healthy(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    pytest.fail(f"no healthy server at {url}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def vllm(vllm_url: str) -> AsyncIterator[HttpEngine]:
    async with Origins() as session:
        yield HttpEngine(session, "vllm", vllm_url)


@pytest.fixture
async def pocket(pocket_url: str) -> AsyncIterator[HttpEngine]:
    async with Origins() as session:
        yield HttpEngine(session, "pocket", pocket_url)


@pytest.fixture(scope="session")
def before_vllm(vllm_url: str) -> Iterator[Running]:
    with running_gateway(engines=[{"name": "vllm", "url": vllm_url}], base_model="base") as running:
        yield running


@pytest.fixture(scope="session")
def before_pocket(pocket_url: str) -> Iterator[Running]:
    with running_gateway(engines=[{"name": "pocket", "url": pocket_url}], base_model="base") as running:
        yield running


@pytest.fixture(params=["pocket", "vllm"])
def gateway(request: pytest.FixtureRequest) -> Running:
    """A gateway before each in turn."""
    found: Running = request.getfixturevalue(f"before_{request.param}")
    found.reset()
    return found


@pytest.fixture(params=["pocket", "vllm"])
def engine(request: pytest.FixtureRequest) -> HttpEngine:
    """Each in turn: what holds for one must hold for the other."""
    found: HttpEngine = request.getfixturevalue(request.param)
    return found
