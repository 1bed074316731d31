"""A service: one child process, and the URL that says whether it can serve."""

import asyncio
import ctypes
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Service:
    """What to run, with which variables over ours, and where it answers 200 once it can serve."""

    name: str
    command: tuple[str, ...]
    health_url: str
    variables: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: float = 10.0  # between being asked to end and being ended

    async def start(self, log: Path) -> Process:
        """Start the process in a group of its own, its output appended to `log`."""
        with log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *("env", *(f"{name}={value}" for name, value in self.variables.items())),
                *self.command,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                start_new_session=True,  # ctrl-C reaches the supervisor alone, which then stops them in order
                preexec_fn=dies_with_parent(),
            )


def dies_with_parent() -> Callable[[], object] | None:
    """A hook by which Linux ends the child when its supervisor is killed outright; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def trimtab(*arguments: str) -> tuple[str, ...]:
    """The command line of one of our own subcommands, run by this very Python."""
    return (sys.executable, "-m", "gateway", *arguments)
