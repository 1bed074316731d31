"""Several processes on one port: they share keys and metrics, and one that is killed is started again."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import httpx
import openai
import pytest

from tests.fakes.engine import fake_engine
from tests.fakes.gateway import until
from tests.gateway.serving.test_process import free_port

pytestmark = pytest.mark.slow
HI = [{"role": "user", "content": "How long does rice take to boil?"}]
WORKERS = 4
GROWS = re.compile(r"trimtab_\w+_(total|count|sum|bucket)(\{|$)")


@dataclass
class Gateway:
    """A supervisor with some workers, its first key, and where its workers write."""

    process: "subprocess.Popen[bytes]"
    url: str
    key: str
    home: Path

    def ask(self, times: int) -> None:
        """So many requests, each over a connection of its own."""
        for _ in range(times):
            with openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=3) as sdk:
                sdk.chat.completions.create(model="base", messages=HI)  # type: ignore[arg-type]

    @property
    def answered(self) -> float:
        """Requests that the metrics tell, whichever worker is asked."""
        try:
            lines = httpx.get(f"{self.url}/metrics", trust_env=False).text.splitlines()
        except httpx.TransportError:
            return -1.0
        told = (
            line for line in lines if line.startswith("trimtab_requests_total{") and 'route="chat"' in line
        )
        return sum(float(line.rpartition(" ")[2]) for line in told)

    def workers(self) -> set[int]:
        """The workers' process ids."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], check=False, capture_output=True, text=True
        )
        return set(map(int, found.stdout.split()))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    home, port = tmp_path_factory.mktemp("workers"), free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRIMTAB_")}
    with fake_engine() as (_, behind):
        told = ["--engine", behind.url, "--model", "base", "--port", str(port), "--home", str(home)]
        command = [sys.executable, "-m", "gateway", "gateway", "serve", *told]
        command += ["--key-file", str(home / "key"), "--workers", str(WORKERS)]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(command, env=clean, stderr=log)
        try:
            assert until(lambda: f"workers    {WORKERS}" in (home / "log").read_text(), 90)
            key = (home / "key").read_text().strip()
            yield Gateway(process, f"http://127.0.0.1:{port}", key, home)
        finally:
            process.terminate()
            process.wait(60)


def keys(gateway: Gateway, *told: str) -> str:
    """What `trimtab keys` says."""
    command = [sys.executable, "-m", "gateway", "keys", *told, "--home", str(gateway.home)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_key_file_is_for_its_owner_alone(gateway: Gateway) -> None:
    assert (gateway.home / "key").stat().st_mode & 0o777 == 0o600


def test_every_worker_tells_what_all_have_done(gateway: Gateway) -> None:
    before = gateway.answered
    gateway.ask(8)
    assert all(until(lambda: gateway.answered == before + 8) for _ in range(6))


def test_each_has_a_journal_of_its_own(gateway: Gateway) -> None:
    assert {path.name for path in (gateway.home / "journal").iterdir()} == {
        f"worker-{number}" for number in range(1, WORKERS + 1)
    }


def test_a_revoked_key_is_dead_in_every_worker_within_a_second(gateway: Gateway) -> None:
    made = json.loads(keys(gateway, "create", "short-lived", "--json"))

    def statuses() -> set[int]:
        """What the key is good for over many connections, which the kernel deals out to the workers."""
        headers = {"authorization": f"Bearer {made['key']}"}
        return {
            httpx.get(f"{gateway.url}/v1/models", headers=headers, trust_env=False).status_code
            for _ in range(12)
        }

    assert until(lambda: statuses() == {200}, 10)
    keys(gateway, "revoke", made["id"])
    assert until(lambda: statuses() == {401}, 1)


def test_a_worker_that_is_killed_is_started_again_and_its_counts_stay(gateway: Gateway) -> None:
    gateway.ask(4)
    before, workers = gateway.answered, gateway.workers()
    os.kill(max(workers), signal.SIGKILL)
    assert until(lambda: len(gateway.workers() - workers) == 1, 20)
    assert until(lambda: gateway.answered == before, 20)
    gateway.ask(4)
    assert until(lambda: gateway.answered == before + 4)


def totals(url: str) -> dict[str, float]:
    """Every series that may only grow, by its name and labels."""
    lines = httpx.get(f"{url}/metrics", trust_env=False).raise_for_status().text.splitlines()
    told = (line.rpartition(" ") for line in lines)
    return {series: float(value) for series, _, value in told if GROWS.match(series)}


def test_no_total_goes_back_or_missing_while_a_worker_is_killed_and_started_again(gateway: Gateway) -> None:
    seen: list[dict[str, float]] = []

    def looked(also: bool = True) -> bool:
        with contextlib.suppress(httpx.TransportError):  # of a connection that the killed one had taken
            seen.append(totals(gateway.url))
        return also

    gateway.ask(8)
    workers = gateway.workers()
    looked()
    os.kill(min(workers), signal.SIGKILL)
    assert until(lambda: looked(bool(gateway.workers() - workers)), 20)
    until(lambda: looked(False), 5)  # while it opens its metrics
    gateway.ask(8)
    looked()
    for before, after in pairwise(seen):
        assert before.keys() <= after.keys()
        assert [series for series, value in before.items() if after[series] < value] == []
    assert sum(seen[-1].values()) > sum(seen[0].values())
