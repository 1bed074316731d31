"""`trimtab gateway`: both listeners in one process, until told to stop."""

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.settings import GatewaySettings, Listener, SettingsInvalid, load_settings

MANY_FILES = 65_536
RECORDING_SECONDS = 12.0  # a little more than the journal's patience with its disk

app = typer.Typer(
    add_completion=False, help="Serve the gateway: the data plane, and the operator's surface beside it."
)


@app.command()
def gateway(
    config: Annotated[Path | None, typer.Option(help="A trimtab.yaml; the environment wins over it.")] = None,
    host: Annotated[str | None, typer.Option(help="Where the data plane listens.")] = None,
    port: Annotated[int | None, typer.Option(help="The data plane's port.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check settings and guard policy, then exit.")
    ] = False,
) -> None:
    """Serve until SIGTERM; requests in flight may end."""
    from gateway.logs import set_up_logs  # noqa: PLC0415 - --help stays instant
    from guards.verdict import PolicyRefused  # noqa: PLC0415

    try:
        settings = with_listener(load_settings(config), host, port)
        if check:
            checked(settings)
            return
        set_up_logs(settings.log_level)
        run(settings)
    except (SettingsInvalid, PolicyRefused, OSError) as error:
        typer.echo(f"trimtab gateway: {error}", err=True)
        raise typer.Exit(2) from None


def with_listener(settings: GatewaySettings, host: str | None, port: int | None) -> GatewaySettings:
    """The settings with what the command line says of the data plane's listener."""
    told = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    if not told:
        return settings
    return settings.model_copy(update={"listen": Listener(**{**settings.listen.model_dump(), **told})})


def checked(settings: GatewaySettings) -> None:
    """Build what can be built without touching anything, and say what would be served."""
    from gateway.screens import open_screen  # noqa: PLC0415

    policy = open_screen(settings.guards.policy).policy
    typer.echo(f"settings and guard policy {policy.name} ({policy.hash[:12]}) are sound")


def run(settings: GatewaySettings) -> None:
    """Serve on uvloop where there is one."""
    import uvloop  # noqa: PLC0415

    allow_many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: each stream takes two."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY_FILES if hard == resource.RLIM_INFINITY else min(MANY_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def serve(settings: GatewaySettings) -> None:
    """Open the tools, serve both apps with them, and close everything in turn."""
    from gateway.admin.app import create_admin  # noqa: PLC0415
    from gateway.admin.following import operated  # noqa: PLC0415
    from gateway.app import create_app  # noqa: PLC0415
    from gateway.tools import open_tools  # noqa: PLC0415

    with listening(settings.listen) as public, listening(settings.admin) as private:
        async with open_tools(settings) as tools, operated(tools):
            grace = settings.limits.shutdown_seconds
            servers = (server_of(create_app(tools), grace), server_of(create_admin(tools), grace))
            stop_on_signals(servers)
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
def listening(at: Listener) -> Iterator[socket.socket]:
    """A bound socket; binding first tells a taken port before anything else begins."""
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    try:
        listener = socket.create_server((at.host, at.port), family=family, backlog=2048)
    except OSError as error:
        raise OSError(f"cannot listen on {at.host}:{at.port}: {error.strerror}") from error
    with listener:
        yield listener


def server_of(app: Any, grace_seconds: float) -> Any:
    """A uvicorn server for an app that was opened outside of it."""
    import uvicorn  # noqa: PLC0415

    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(grace_seconds)),
    )
    return uvicorn.Server(config)


def stop_on_signals(servers: tuple[Any, ...]) -> None:
    """The first SIGTERM or SIGINT lets requests end; a second one does not wait."""

    def stop() -> None:
        for server in servers:
            server.force_exit = server.should_exit
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
