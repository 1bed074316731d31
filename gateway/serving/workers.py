"""Several gateway processes on one port: started, watched, started again, stopped together.

Each worker is a gateway of its own, as another replica would be, with a journal of its own. They share the
ledger's database, by which a key, a policy and a route reach all of them within a second, and their metrics.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import typer

from gateway.ledger.database import Database
from gateway.serving.told import next_port
from gateway.settings import GatewaySettings
from gateway.up.service import Service, trimtab
from gateway.up.stack import LEDGER_SECONDS, as_variables
from gateway.up.supervisor import Report, Supervisor, SupervisorFailed
from gateway.up.until_stopped import run_until_stopped

READY_SECONDS = 120.0


def supervise(
    settings: GatewaySettings,
    config: Path | None,
    changes: Mapping[str, Any],
    workers: int,
    ready: Callable[[], None],
) -> None:
    """Keep so many workers running until told to stop; raises OSError when they do not come up."""
    try:
        run_until_stopped(_supervise(settings, config, changes, workers, ready))
    except SupervisorFailed as error:
        raise OSError(str(error)) from None


async def _supervise(
    settings: GatewaySettings,
    config: Path | None,
    changes: Mapping[str, Any],
    workers: int,
    ready: Callable[[], None],
) -> None:
    async with Database(settings.ledger_url):
        pass  # one process brings the schema up to date, and not all of them at once
    with tempfile.TemporaryDirectory(prefix="trimtab-metrics-") as metrics:
        services = [
            worker(number, settings, config, changes, {"workers": workers, "metrics_dir": metrics})
            for number in range(1, workers + 1)
        ]
        async with Supervisor(services, settings.home / "logs", teller(), equals=True) as supervisor:
            await supervisor.ready(READY_SECONDS)
            ready()
            await supervisor.watch()


def worker(
    number: int,
    settings: GatewaySettings,
    config: Path | None,
    changes: Mapping[str, Any],
    shared: Mapping[str, Any],
) -> Service:
    """One of the workers; the first has the admin API's known port, the others free ones for their health."""
    own: dict[str, Any] = {**changes, **shared, "worker": number, "home": str(settings.home.absolute())}
    own["ledger"] = {**changes.get("ledger", {}), "journal": str(settings.journal_dir_of(number).absolute())}
    admin = settings.admin
    if number > 1:
        admin = admin.model_copy(update={"host": "127.0.0.1", "port": next_port(0)})
        own["admin"] = {"host": admin.host, "port": admin.port}
    command = trimtab("gateway", "serve", *(("--config", str(config)) if config else ()))
    grace = settings.limits.shutdown_seconds + LEDGER_SECONDS
    variables = as_variables(own) | {"PROMETHEUS_MULTIPROC_DIR": str(shared["metrics_dir"])}
    health = f"http://{admin.host}:{admin.port}/metrics"
    return Service(f"worker-{number}", command, health, variables, grace)


def teller() -> Report:
    """Says what happens to workers, a line each."""

    def tell(name: str, what: str) -> None:
        typer.echo(f"{name:10} {what}", err=True)

    return tell
