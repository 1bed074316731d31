"""A fake engine in a process of its own, which can be killed: `python -m tests.fakes.engine_alone SECONDS`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.fakes.engine import FakeEngine, Script
from tests.serving import serving


@dataclass
class Alone:
    """The process, and where it listens."""

    process: "subprocess.Popen[str]"
    url: str

    def kill(self) -> None:
        """At once, as when a machine dies: no answer, no farewell."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def engine_alone(before_answer: float) -> Iterator[Alone]:
    """A fake engine that answers after so many seconds."""
    command = [sys.executable, "-m", "tests.fakes.engine_alone", str(before_answer)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Alone(process, f"{process.stdout.readline().strip()}/v1")
        process.kill()


if __name__ == "__main__":
    with serving(FakeEngine(Script(before_answer=float(sys.argv[1])))) as server:
        print(server.url, flush=True)  # noqa: T201 - told to whoever started it
        sys.stdin.read()
