"""`trimtab gateway`: serve the data plane and the operator's surface; check what would be served."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from gateway.settings import GatewaySettings, SettingsInvalid, load_settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="The gateway by itself: the data plane, and the operator's surface beside it.",
)

Config = Annotated[Path | None, typer.Option(help="A trimtab.yaml; the environment wins over it.")]
Policy = Annotated[Path | None, typer.Option(help="A guard policy; by default the bundled one.")]
Engines = Annotated[
    list[str] | None,
    typer.Option(
        "--engine", help="An engine's URL, such as http://127.0.0.1:8000/v1; again for each replica."
    ),
]


Model = Annotated[
    str | None, typer.Option(help="The name that clients ask for, and the engine's own name for it.")
]
Host = Annotated[str | None, typer.Option(help="Where the data plane listens.")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="The data plane's port.")]
AdminPort = Annotated[
    int | None, typer.Option(help="The admin API's port; by default the next one, or a free one.")
]
LedgerAt = Annotated[
    str | None,
    typer.Option(help="The ledger: a file, sqlite:///… or postgresql://…; by default in the home folder."),
]
KeyFile = Annotated[
    Path | None, typer.Option(help="A fresh application key is made and written here, for its owner alone.")
]
Home = Annotated[Path | None, typer.Option(help="Where ledger and journal live (default .trimtab).")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="Processes that share the port.")]


@app.command()
def serve(  # noqa: PLR0913, PLR0917 - an option each
    config: Config = None,
    engine: Engines = None,
    model: Model = None,
    host: Host = None,
    port: Port = None,
    admin_port: AdminPort = None,
    policy: Policy = None,
    ledger: LedgerAt = None,
    key_file: KeyFile = None,
    home: Home = None,
    workers: Workers = 1,
) -> None:
    """Serve until SIGTERM; requests in flight may end.

    With a trimtab.yaml that names engines nothing else is needed; without one, an engine's URL and a model's name are:
    trimtab gateway serve --engine http://127.0.0.1:8000/v1 --model llama --key-file key.txt

    The model is one that the engine lists at /v1/models. Where it lists no such one, a warning in the log says which
    it does list, at the start and whenever an engine comes up.
    """
    from gateway.logs import set_up_logs
    from gateway.serving.start import start
    from gateway.serving.told import Told, require_engines

    told = Told(engine or (), model, host, port, admin_port, policy, ledger, home)
    with complaining():
        changes = told.changes()
        settings = load_settings(config, **changes)
        require_engines(settings)
        set_up_logs(settings.log_level)
        start(settings, config, changes, key_file, workers)


@app.command()
def check(config: Config = None, policy: Policy = None) -> None:
    """Check settings and guard policy, and say what would be served; touches nothing."""
    import asyncio

    from gateway.screens import open_screen
    from guards.policy.load import policy_file
    from guards.settings import services_of

    changes = {"guards": {"policy": str(policy_file(policy).absolute())}} if policy else {}
    with complaining():
        settings: GatewaySettings = load_settings(config, **changes)
        services = services_of(settings.guards.services)
        found = asyncio.run(services.during(open_screen(settings.guards.policy, services))).policy
    typer.echo(f"settings and guard policy {found.name} ({found.hash[:12]}) are sound")


@contextmanager
def complaining() -> Iterator[None]:
    """What cannot be started with is told in a sentence, and ends the command."""
    from gateway.ledger.contract import LedgerFailed
    from guards.verdict import PolicyRefused

    try:
        yield
    except (SettingsInvalid, PolicyRefused, LedgerFailed, OSError) as error:
        typer.echo(f"trimtab gateway: {error}", err=True)
        raise typer.Exit(2) from None
