"""`trimtab keys`: make, list and revoke keys, straight in the ledger's database."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from gateway.callers import Role
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.settings import SettingsInvalid, load_settings
from gateway.tenants.keys import Key, KeyStore

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Make, list and revoke keys. Running gateways follow within a second.",
)

T = TypeVar("T")
Home = Annotated[Path | None, typer.Option(help="The home directory, when it is not the configured one.")]
Config = Annotated[Path | None, typer.Option(help="A trimtab.yaml; the environment is read as well.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for; people will read it in lists.")],
    role: Annotated[
        Role, typer.Option(help="application asks; viewer looks; operator tunes; admin does all.")
    ] = ("application"),
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show its secret, once."""
    key, secret = run(lambda store: store.create(name, role), home, config)
    if as_json:
        typer.echo(json.dumps(told(key) | {"key": secret}))
        return
    typer.echo(secret)
    typer.echo(f"{role} key {key.id} for {name}. It is not kept and cannot be shown again.", err=True)


@app.command("list")
def show(home: Home = None, config: Config = None, as_json: AsJson = False) -> None:
    """Every key that was ever made, revoked ones too."""
    keys = run(lambda store: store.all(), home, config)
    if as_json:
        typer.echo(json.dumps([told(key) for key in keys]))
        return
    table = Table()
    table.add_column("id", no_wrap=True)  # it is there to be pasted into `revoke`
    for heading in ("name", "role", "ends in", "created", "revoked"):
        table.add_column(heading)
    for key in keys:
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
        table.add_row(key.id, key.name, key.role, f"…{key.hint}", f"{key.created_at:%Y-%m-%d %H:%M}", revoked)
    Console().print(table)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `trimtab keys list` shows it.")],
    home: Home = None,
    config: Config = None,
) -> None:
    """End a key's validity, for good."""
    key = run(lambda store: store.revoke(key_id), home, config)
    typer.echo(f"{key.id} ({key.name}) is revoked")


def run(work: Callable[[KeyStore], Awaitable[T]], home: Path | None, config: Path | None) -> T:
    """Do something with the keys of the configured ledger; what goes wrong is told in one line."""

    async def there() -> T:
        settings = load_settings(config, **({"home": home} if home else {}))
        async with Database(settings.ledger_url) as database:
            return await work(KeyStore(database, actor="command line"))

    try:
        return asyncio.run(there())
    except (LedgerFailed, SettingsInvalid) as error:
        fail(error)


def fail(error: Exception) -> NoReturn:
    """End with the error's own sentence."""
    typer.echo(f"trimtab keys: {error}", err=True)
    raise typer.Exit(1)


def told(key: Key) -> dict[str, object]:
    """A key as JSON."""
    return {
        name: str(value) if name.endswith("_at") and value else value for name, value in asdict(key).items()
    }
