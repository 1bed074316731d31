"""What the operators' documentation shows of guards that ask: every policy loads, and the example server serves."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from guards.policy.load import read_policy
from guards.screen import Screen
from guards.services import Service, Services
from guards.settings import load_services
from guards.verdict import Segment
from tests.fakes.tiny_reward import make_tiny_reward

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("guard-models.md", "guard-webhook.md")
SERVICES = {
    name: Service(name, "http://127.0.0.1:9", secret=SecretStr("s"))
    for name in ("judges", "openai", "detectors", "house")
}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


POLICIES = [text for page in PAGES for text in blocks(page, "yaml") if text.startswith("name:")]
SETTINGS = [text for page in PAGES for text in blocks(page, "yaml") if not text.startswith("name:")]


@pytest.mark.parametrize("text", POLICIES, ids=lambda text: yaml.safe_load(text)["name"])
@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
def test_a_policy_of_the_documentation_loads(text: str, tmp_path: Path) -> None:
    if "kind: encoder" in text:
        pytest.importorskip("torch")
        make_tiny_reward(tmp_path / "prompt-guard-2", "deberta-v2", template=None, labels=2)
    assert read_policy(text, "documented", tmp_path, services=SERVICES).plans


@pytest.mark.parametrize("text", SETTINGS, ids=["models", "webhook"])
def test_settings_of_the_documentation_load(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGES_KEY", "k")
    (tmp_path / "secret").write_text("s")
    (tmp_path / "trimtab.yaml").write_text(text.replace("/run/secrets/house", str(tmp_path / "secret")))
    assert load_services(config=tmp_path / "trimtab.yaml")


@pytest.fixture
def example(tmp_path: Path) -> Iterator[int]:
    """The port of the example server, which runs."""
    [code] = blocks("guard-webhook.md", "python")
    (tmp_path / "judge.py").write_text(code)
    port = free_port()
    command = [sys.executable, str(tmp_path / "judge.py")]
    environment = os.environ | {"SECRET": "shared", "PORT": str(port)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            until_open(port)
            yield port
        finally:
            process.kill()


async def test_the_example_server_serves(example: int) -> None:
    assert await redacted(example, "shared") == ("Ask about [project name removed].", ())
    _, failures = await redacted(example, "another")
    assert failures == ("service house answered 401: it does not accept the key that the settings give",)


async def redacted(port: int, secret: str) -> tuple[str, tuple[str, ...]]:
    """The documentation's own text under its own policy, and what failed."""
    [policy] = [text for text in POLICIES if "kind: webhook" in text]
    async with Services([Service("house", f"http://127.0.0.1:{port}", secret=SecretStr(secret))]) as services:
        screen = Screen(read_policy(policy, "documented", Path(), services=services))
        screening = await screen.prompt([Segment("Ask about Blue Heron.", "prompt")])
        return screening.text, tuple(failure.reason for failure in screening.failures)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until_open(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the example server does not open its port")
