"""One gateway process: both listeners on one loop, until told to stop."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from gateway.settings import GatewaySettings, Limits, Listener

MANY_FILES = 65_536
COLLECT_AFTER = 20_000  # more objects made than let go; some thirty requests
RECORDING_SECONDS = 12.0  # a little more than the journal's patience with its disk


def run(settings: GatewaySettings, ready: Callable[[], None]) -> None:
    """Serve on uvloop where there is one."""
    import uvloop  # noqa: PLC0415

    allow_many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, ready))


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: each stream takes two."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY_FILES if hard == resource.RLIM_INFINITY else min(MANY_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(settings: GatewaySettings, ready: Callable[[], None]) -> None:
    """Open the tools, serve both apps with them, say so, and close everything in turn."""
    from gateway.admin.app import create_admin  # noqa: PLC0415
    from gateway.admin.following import operated  # noqa: PLC0415
    from gateway.app import create_app  # noqa: PLC0415
    from gateway.ledger.inheritance import inherit  # noqa: PLC0415
    from gateway.tools import open_tools  # noqa: PLC0415

    shared = settings.worker is not None
    with listening(settings.listen, shared=shared) as public, listening(settings.admin) as private:
        await inherit(settings.ledger_url, settings.journal_dir, worker=settings.worker)
        async with open_tools(settings) as tools, operated(tools):
            limits = settings.limits
            servers = (server_of(create_app(tools), limits), server_of(create_admin(tools), limits))
            stop_on_signals(servers, tools.admission.stop)
            spare_the_collector()
            ready()
            await asyncio.gather(
                servers[0]._serve([public]),  # noqa: SLF001 - `serve` would install signal handlers twice
                servers[1]._serve([private]),  # noqa: SLF001
            )
            await recorded(servers)


async def recorded(servers: tuple[Any, ...]) -> None:
    """Wait until requests that were cut off have said what of them is to be recorded, before the ledger closes."""
    if left := [task for server in servers for task in server.server_state.tasks]:
        await asyncio.wait(left, timeout=RECORDING_SECONDS)


@contextmanager
def listening(at: Listener, *, shared: bool = False) -> Iterator[socket.socket]:
    """A bound socket; binding first tells a taken port before anything else begins.

    On a shared port every worker listens for itself, and the kernel deals connections out.
    """
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    try:
        listener = socket.create_server((at.host, at.port), family=family, backlog=2048, reuse_port=shared)
    except OSError as error:
        told = f"cannot listen on {at.host}:{at.port}: {error.strerror}; choose another port"
        raise OSError(told) from error
    with listener:
        yield listener


def server_of(app: Any, limits: Limits) -> Any:
    """A uvicorn server for an app that was opened outside of it."""
    import uvicorn  # noqa: PLC0415

    from gateway.serving.arrival import Arrival  # noqa: PLC0415

    config = uvicorn.Config(
        app,
        http=partial(Arrival, limits),  # type: ignore[arg-type]  # called as a class would be
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # who asks is told by a key, not by an address
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(limits.shutdown_seconds)),
    )
    return uvicorn.Server(config)


def spare_the_collector() -> None:
    """What is there now stays; looking through all of it again and again took a tenth of each request's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 50)


def stop_on_signals(servers: tuple[Any, ...], refuse: Callable[[], None]) -> None:
    """The first SIGTERM or SIGINT lets requests end and others wait no longer; a second one does not wait."""

    def stop() -> None:
        refuse()
        for server in servers:
            server.force_exit = server.should_exit
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
