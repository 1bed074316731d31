"""The whole gateway as a process: what it refuses to start with, how it serves, how it stops."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest
from typer.testing import CliRunner

from gateway.ledger.segments import Segments
from gateway.serving.cli import app
from gateway.serving.process import listening, recorded, server_of
from gateway.settings import Limits, Listener
from tests.fakes.engine import FakeEngine, fake_engine
from tests.fakes.gateway import until

pytestmark = pytest.mark.slow  # seconds each: it trains, or starts what it asks

HI = [{"role": "user", "content": "How long does rice take to boil?"}]


def trimtab(*arguments: str, home: Path, **variables: str) -> "subprocess.Popen[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRIMTAB_")}
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments],
        env={**clean, "TRIMTAB_HOME": str(home), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told(*arguments: str) -> tuple[int, str]:
    """The command's exit code and all that it said, run in this process."""
    said = CliRunner().invoke(app, arguments)
    return said.exit_code, said.output


@dataclass
class Process:
    """A gateway that runs, and its first key."""

    process: "subprocess.Popen[str]"
    url: str
    key: str
    engine: FakeEngine

    def sdk(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=20)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def running(home: Path) -> Iterator[Process]:
    with trimtab("keys", "create", "tests", home=home) as making:
        said, _ = making.communicate(timeout=60)
    key = said.strip()
    public, private = free_port(), free_port()
    with fake_engine() as (engine, behind):
        variables = {
            "TRIMTAB_LISTEN__PORT": str(public),
            "TRIMTAB_ADMIN__PORT": str(private),
            "TRIMTAB_ENGINES": f'[{{"url": "{behind.url}/v1"}}]',
        }
        process = trimtab("gateway", "serve", home=home, **variables)
        try:
            url = f"http://127.0.0.1:{public}"
            assert until(lambda: answers(f"{url}/health"), 90)
            yield Process(process, url, key, engine)
        finally:
            process.kill()
            process.communicate()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Process]:
    with running(tmp_path) as process:
        yield process


def test_check_says_that_all_is_sound() -> None:
    code, said = told("check")
    assert (code, "are sound" in said) == (0, True)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"TRIMTAB_GUARDS__POLICY": "{home}/broken.yaml"}, "broken.yaml:1"),
        ({"TRIMTAB_GUARDS__POLICY": "{home}/nowhere.yaml"}, "nowhere.yaml"),
        ({"TRIMTAB_LIMITS__MAX_N": "lots"}, "limits.max_n"),
        ({"TRIMTAB_CONFIG": "{home}/nowhere.yaml"}, "nowhere.yaml"),
    ],
)
def test_what_is_broken_refuses_to_start_and_names_itself(
    variables: dict[str, str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.yaml").write_text("nmae: x\nversion: 1\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    code, said = told("check")
    assert code == 2
    assert named in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://someone:SENTINEL@127.0.0.1:1/ledger", "is away"),
        ("", "belongs to a process that is running"),
    ],
)
def test_a_ledger_that_cannot_be_had_is_told_in_one_line(url: str, said: str, tmp_path: Path) -> None:
    segments = Segments(tmp_path / "journal", segment_bytes=1, limit_bytes=1)
    segments.open()  # as another gateway would
    variables = {
        "TRIMTAB_LISTEN__PORT": "0",
        "TRIMTAB_ADMIN__PORT": "0",
        "TRIMTAB_LEDGER__URL": url,
        "TRIMTAB_ENGINES": '[{"url": "http://127.0.0.1:9/v1"}]',
    }
    with trimtab("gateway", "serve", home=tmp_path, **variables) as process:
        _, lines = process.communicate(timeout=60)
    segments.close()
    assert process.returncode == 2
    assert lines.startswith("trimtab gateway: ")
    assert (said in lines, lines.count("\n"), "SENTINEL" in lines) == (True, 1, False)


def test_a_gateway_before_no_engine_does_not_start(tmp_path: Path) -> None:
    code, said = told("serve", "--home", str(tmp_path / "new"))
    assert (code, "no engine is named" in said) == (2, True)
    assert not (tmp_path / "new").exists()


def test_a_taken_port_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"),
            listening(Listener(port=port)),
        ):
            pass


async def test_requests_that_were_cut_off_may_still_record() -> None:
    server = server_of(None, Limits())
    request = asyncio.create_task(asyncio.sleep(0.05))
    server.server_state.tasks.add(request)
    await recorded((server,))
    assert request.done()


@pytest.mark.slow
def test_it_serves_with_its_own_policy_and_ledger(gateway: Process) -> None:
    with gateway.sdk() as sdk:
        answer = sdk.chat.completions.create(model="assistant", messages=HI)  # type: ignore[arg-type]
    assert answer.choices[0].message.content == "Hello there."


def test_a_stream_in_flight_ends_before_the_process_does(gateway: Process) -> None:
    gateway.engine.says("a fairly long answer " * 20, between_chunks=0.01)
    with gateway.sdk() as sdk:
        stream = sdk.chat.completions.create(model="assistant", messages=HI, stream=True)  # type: ignore[call-overload]
        first = next(stream)
        gateway.process.send_signal(signal.SIGTERM)
        rest = list(stream)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in [first, *rest])
    assert said == "a fairly long answer " * 20
    assert gateway.process.wait(20) == 0


@pytest.mark.slow
def test_logs_tell_nothing_that_was_said(tmp_path: Path) -> None:
    with running(tmp_path) as gateway:
        gateway.engine.says(refuse=(500, {}))
        with gateway.sdk() as sdk, pytest.raises(openai.InternalServerError):
            sdk.chat.completions.create(model="assistant", messages=[{"role": "user", "content": "SENTINEL"}])
        gateway.process.send_signal(signal.SIGTERM)
        _, logged = gateway.process.communicate(timeout=20)
    assert '"outcome": "error"' in logged
    assert "SENTINEL" not in logged
    assert gateway.key not in logged
