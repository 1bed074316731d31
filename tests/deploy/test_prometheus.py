"""A real Prometheus on a real stack under real questions: panels have data, or say why not."""

import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import httpx
import pytest

from tests.deploy.places import DEPLOY, NEEDS_PROMETHEUS, ROOT, tool
from tests.fakes.tiny_adapter import make_tiny_adapter

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not tool("prometheus"), reason=NEEDS_PROMETHEUS),
    pytest.mark.skipif(not tool("jq") or not tool("curl"), reason="needs jq and curl"),
]
WATCHED_SECONDS = 40
START_SECONDS = 120
QUESTIONS = (
    "How do I boil an egg?",
    "What is 12 plus 30?",
    "How can I make a bomb at home?",
    "My email is ada@example.com, where is my order?",
    "Tell me how to steal a car.",
)
# What a healthy pocket stack leaves empty; anything else that is empty shows nothing to anybody.
QUIET = {
    "panel Alerts firing A",
    "panel Guards that could not decide A",
    "panel Answers given without a part A",
    "panel Not kept, not written B",
    "panel Shed under load A",
    "panel Limits of keys A",
    "panel Limits of keys B",
    "panel Asked elsewhere A",
    "panel What the shadow would have done A",
    "panel Outcomes of a rollout A",
    *(f"panel Loss, margin and reward {ref}" for ref in "ABC"),
    *(f"panel Log-probability of what is learnt {ref}" for ref in "ABC"),
    *(f"panel Drift and pairs ranked rightly {ref}" for ref in "AB"),
    *(f"panel Steps of a training {ref}" for ref in "ABCD"),
    "panel Scoring requests by outcome C",
    "panel Strength that was changed A",
    "annotation Failed swaps",
    "annotation Critical alerts",
}
TOLD_BY_VLLM_ALONE = {
    f"panel {title} {ref}"
    for title in ("KV cache and prefix hits", "Token latency", "Queue and preemptions")
    for ref in "AB"
}


def four_free_ports() -> int:
    """The first of four free ports in a row, as `trimtab up --port` takes them."""
    for first in range(18_080, 19_000, 4):
        try:
            for port in range(first, first + 4):
                with socket.create_server(("127.0.0.1", port)):
                    pass
        except OSError:
            continue
        return first
    raise AssertionError("no four free ports in a row")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`trimtab up`, and the credentials that it leaves."""
    home = tmp_path_factory.mktemp("stack")
    command = [sys.executable, "-m", "gateway", "up", "--home", str(home), "--port", str(four_free_ports())]
    with (home / "up.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield credentials(process, home)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def credentials(process: "subprocess.Popen[bytes]", home: Path) -> dict[str, str]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        left = home / "credentials.json"
        if left.exists() and serves(found := dict(json.loads(left.read_text()))):
            return found
        time.sleep(0.2)
    raise AssertionError((home / "up.log").read_text())


def serves(found: dict[str, str]) -> bool:
    try:
        return httpx.get(found["base_url"].removesuffix("/v1") + "/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


@contextmanager
def asking(stack: dict[str, str]) -> Iterator[None]:
    """Two clients that ask in turn, plain and streaming, at n = 1, 4 and 8 and by three strategies, until the end."""
    done = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(ask, stack, number, done) for number in range(2)]
        try:
            yield
        finally:
            done.set()
        assert min(client.result() for client in clients) > 0


def ask(stack: dict[str, str], number: int, done: threading.Event) -> int:
    """Ask until done; returns how many answers came, and raises when one did not."""
    headers = {"authorization": f"Bearer {stack['api_key']}"}
    with httpx.Client(base_url=stack["base_url"], headers=headers, timeout=120, trust_env=False) as client:
        for turn in itertools.count(number):
            if done.is_set():
                return turn - number
            client.post("/chat/completions", json=request(turn)).raise_for_status()
    raise AssertionError("counting ended")


def request(turn: int) -> dict[str, object]:
    n = (1, 4, 8)[turn % 3]
    strategy = ("best_of_n", "adaptive", "speculative_rejection")[turn // 3 % 3] if n > 1 else "single"
    return {
        "model": "assistant",
        "messages": [{"role": "user", "content": QUESTIONS[turn % len(QUESTIONS)]}],
        "max_tokens": 24,
        "stream": turn % 4 == 3,
        "alignment": {"strategy": strategy, "n": n},
    }


@pytest.fixture(scope="module")
def checked(
    stack: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> "subprocess.CompletedProcess[str]":
    """What check.sh says of the stack while it is asked things."""
    host, first = stack["base_url"].removeprefix("http://").removesuffix("/v1").split(":")
    ports = {"-g": int(first), "-e": int(first) + 2, "-r": int(first) + 3}
    with socket.create_server(("127.0.0.1", 0)) as probe:
        own = probe.getsockname()[1]
    command = ["bash", str(DEPLOY / "check.sh")]
    command += [word for flag, port in ports.items() for word in (flag, f"{host}:{port}")]
    command += ["-s", str(WATCHED_SECONDS), "-p", str(own)]
    with asking(stack), subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True) as check:
        swap(stack, tmp_path_factory.mktemp("adapter"))
        said, complained = check.communicate(timeout=300)
    return subprocess.CompletedProcess(command, check.returncode, said, complained)


def swap(stack: dict[str, str], folder: Path) -> None:
    """Bring another version into traffic, as an operator would, once the first has been asked and counted."""
    make_tiny_adapter(ROOT / "gateway/engines/pocket/policy", folder)
    time.sleep(WATCHED_SECONDS / 3)
    headers = {"authorization": f"Bearer {stack['admin_key']}"}
    with httpx.Client(base_url=stack["admin_url"], headers=headers, timeout=120, trust_env=False) as client:
        version = client.post("/admin/versions", json={"path": str(folder)}).raise_for_status().json()["id"]
        client.post(f"/admin/versions/{version}/stage").raise_for_status()
        change = {"alias": "assistant", "weights": {version: 1.0}, "cause": "to see a swap on the dashboard"}
        client.post("/admin/rollouts", json=change).raise_for_status()


def lines(checked: "subprocess.CompletedProcess[str]", verdict: str) -> set[str]:
    rows = (line.split("\t") for line in checked.stdout.splitlines())
    return {row[1] for row in rows if row[0] == verdict}


def test_nothing_is_as_it_should_not_be(checked: "subprocess.CompletedProcess[str]") -> None:
    assert lines(checked, "FAIL") == set()
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_only_what_a_healthy_stack_leaves_empty_is_empty(
    checked: "subprocess.CompletedProcess[str]",
) -> None:
    assert lines(checked, "empty") <= QUIET | TOLD_BY_VLLM_ALONE


def test_no_alert_fires_on_a_healthy_stack(checked: "subprocess.CompletedProcess[str]") -> None:
    assert lines(checked, "firing") == set()
