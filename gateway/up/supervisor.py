"""The supervisor: keeps services running, says what happened to them, and stops them all, the last one first.

Services that never ask each other are stopped at once: one after the other, each with its grace, would take too long.

SupervisorFailed
├── NotReady      a service did not become healthy in time; carries the end of its log
└── Refused       a service will not start with what it was told; carries the end of its log
"""

import asyncio
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import httpx

from gateway.up.service import Service

POLL_SECONDS = 0.1
STEADY_SECONDS = 60.0
LONGEST_BACKOFF_SECONDS = 30.0
REFUSED_CODE = 2  # of our commands, for settings, policies, ports and ledgers that they cannot start with

Report = Callable[[str, str], None]  # (service name, what happened)


class SupervisorFailed(Exception):
    """The services could not be kept running."""


class NotReady(SupervisorFailed):
    """A service did not become healthy in time."""


class Refused(SupervisorFailed):
    """A service will not start with what it was told; to start it again would change nothing."""


class Supervisor:
    """Owns one task per service; each may ask those before it, so leaving stops the last first and waits for it.

    `equals` are services that never ask each other: leaving stops them all at once.
    """

    def __init__(
        self, services: Sequence[Service], logs: Path, report: Report, *, equals: bool = False
    ) -> None:
        self._services = services
        self._logs = logs
        self._report = report
        self._equals = equals
        self._processes: dict[str, Process] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._served: set[str] = set()  # the services that have been healthy

    async def __aenter__(self) -> "Supervisor":
        self._logs.mkdir(parents=True, exist_ok=True)
        for service in self._services:
            await self._start(service)
            self._tasks[service.name] = asyncio.create_task(self._keep_running(service), name=service.name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        try:
            await self._stop_all()
        finally:
            for process in self._processes.values():
                kill(process)  # of effect on none but those that a second signal leaves no time

    async def ready(self, timeout_seconds: float) -> None:
        """Return once every service is healthy; raises NotReady or Refused naming the one that is not."""
        deadline = time.monotonic() + timeout_seconds
        async with httpx.AsyncClient(timeout=1.0, trust_env=False) as client:
            await asyncio.gather(*(self._healthy(client, service, deadline) for service in self._services))

    async def watch(self) -> None:
        """Run until cancelled, or until keeping a service running fails for good."""
        await asyncio.gather(*self._tasks.values())

    def pid(self, name: str) -> int:
        """The process id that a service runs under now."""
        return self._processes[name].pid

    def log(self, service: Service) -> Path:
        """Where a service's output goes."""
        return self._logs / f"{service.name}.log"

    async def _stop_all(self) -> None:
        if self._equals:
            await asyncio.gather(*map(self._stop, self._services))
            return
        for service in reversed(self._services):  # nobody is left who still asks one that has gone
            await self._stop(service)

    async def _stop(self, service: Service) -> None:
        if service.name in self._processes:
            await stop(self._processes[service.name], service.grace_seconds)
            self._report(service.name, "stopped")

    async def _start(self, service: Service) -> None:
        self._processes[service.name] = await service.start(self.log(service))

    async def _keep_running(self, service: Service) -> None:
        backoff_seconds = 0.5
        while True:
            started = time.monotonic()
            code = await self._processes[service.name].wait()
            if code == REFUSED_CODE and service.name not in self._served:
                raise Refused(f"{service.name} does not start. Its log ends:\n{self._tail(service)}")
            if time.monotonic() - started > STEADY_SECONDS:
                backoff_seconds = 0.5
            self._report(service.name, f"ended with {said(code)}; again in {backoff_seconds:g} s")
            await asyncio.sleep(backoff_seconds)
            await self._start(service)
            self._report(service.name, "started again")
            backoff_seconds = min(2 * backoff_seconds, LONGEST_BACKOFF_SECONDS)

    async def _healthy(self, client: httpx.AsyncClient, service: Service, deadline: float) -> None:
        while not await answers(client, service.health_url):
            if (task := self._tasks[service.name]).done():
                task.result()  # which raises
            if time.monotonic() > deadline:
                log = self._tail(service)
                raise NotReady(f"{service.name} is not healthy at {service.health_url}. Its log ends:\n{log}")
            await asyncio.sleep(POLL_SECONDS)
        self._served.add(service.name)
        self._report(service.name, "ready")

    def _tail(self, service: Service, lines: int = 15) -> str:
        return "\n".join(self.log(service).read_text(errors="replace").splitlines()[-lines:])


async def answers(client: httpx.AsyncClient, url: str) -> bool:
    """Whether a health URL answers 200 now."""
    try:
        return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


async def stop(process: Process, grace_seconds: float) -> None:
    """Ask a process group to end, and end it when it does not."""
    if process.returncode is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), grace_seconds)
    except TimeoutError:
        kill(process)
        await process.wait()


def kill(process: Process) -> None:
    """End a process group that is still there."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)


def said(code: int) -> str:
    """An exit code as people say it."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
