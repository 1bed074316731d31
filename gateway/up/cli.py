"""`trimtab up`: the whole of Trimtab on one machine."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from gateway.ledger.contract import LedgerFailed
from gateway.settings import SettingsInvalid
from gateway.up.credentials import CredentialsUnreadable
from gateway.up.launch import launched
from gateway.up.stack import Stack, StackFailed, plan
from gateway.up.supervisor import Report, SupervisorFailed
from gateway.up.until_stopped import run_until_stopped
from gateway.up.welcome import welcome

FORESEEN = (StackFailed, SupervisorFailed, SettingsInvalid, CredentialsUnreadable, LedgerFailed, OSError)

app = typer.Typer(add_completion=False)


@app.command()
def up(
    home: Annotated[
        Path | None, typer.Option(help="Where ledger, keys, adapters and logs live (default .trimtab).")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="The gateway's port; the next three are the admin API's and the servers'."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A trimtab.yaml; engines or a reward server named there are used as they are."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="When ready, print one JSON object, and nothing else.")
    ] = False,
) -> None:
    """Start engine, reward server and gateway, make a first key, and say how to ask.

    With no configuration the small pocket models that ship with Trimtab answer. Ctrl-C stops everything.
    """
    console = Console(stderr=as_json)
    try:
        run_until_stopped(serve(plan(config, home, port), console, as_json=as_json))
    except FORESEEN as error:
        console.print(f"[red]trimtab up:[/] {escape(str(error))}")
        raise typer.Exit(1) from None


async def serve(stack: Stack, console: Console, *, as_json: bool) -> None:
    """Keep the stack up until told to stop."""
    with console.status("starting engine, reward server and gateway") as status:
        async with launched(stack, teller(console)) as running:
            status.stop()
            if as_json:
                typer.echo(json.dumps(asdict(running.credentials) | {"model": stack.settings.alias}))
            else:
                welcome(console, running.credentials, stack.settings)
            await running.supervisor.watch()


def teller(console: Console) -> Report:
    """Tells what happens to services, one line each."""

    def tell(name: str, what: str) -> None:
        console.print(f"[dim]{name:8}[/] {what}")

    return tell
