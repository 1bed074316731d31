"""`trimtab erase`: forget a person, straight in the ledger's database."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False)


@app.command()
def erase(
    subject: Annotated[str, typer.Argument(help="As requests named them in OpenAI's `user` field.")],
    cause: Annotated[
        str, typer.Option("--why", help="For the audit trail; do not name the person.")
    ] = "asked to",
    home: Annotated[Path | None, typer.Option(help="The home directory of the gateway.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="A trimtab.yaml; the environment is read as well.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Erase all of a person's: exchanges, feedback, pairs and stored responses lose their texts.

    Datasets that were frozen with any of it train nothing any more, and versions that were trained on them are
    named. Frozen files are removed by the worker that keeps them, at its next look. Backups are yours to see to.
    """
    from gateway.erasure import erase as erasing
    from gateway.ledger.contract import LedgerFailed
    from gateway.ledger.database import Database
    from gateway.settings import SettingsInvalid, load_settings

    async def there() -> erasing.Erasure:
        homed: dict[str, Any] = {"home": home} if home else {}
        async with Database(load_settings(config, **homed).ledger_url) as database:
            return await erasing.erase(database, subject, cause, "command line")

    try:
        found = asyncio.run(there())
    except (LedgerFailed, SettingsInvalid) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(asdict(found), default=str))
        return
    typer.echo(
        "erased: " + ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in found.counts.items())
    )
    typer.echo(f"datasets that held any of it: {', '.join(each[:12] for each in found.datasets) or 'none'}")
    typer.echo(f"versions trained on them: {', '.join(found.versions) or 'none'}")
