"""Before a gateway serves: its first key, in a file of its own, and a word to whoever started it."""

import asyncio
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import typer

from gateway.engines.providers import shown
from gateway.ledger.database import Database
from gateway.serving.process import listening, run
from gateway.serving.workers import supervise
from gateway.settings import GatewaySettings, SettingsInvalid
from gateway.tenants.keys import KeyStore


def start(
    settings: GatewaySettings,
    config: Path | None,
    changes: Mapping[str, Any],
    key_file: Path | None,
    workers: int,
) -> None:
    """Make the key, serve until told to stop, and say where what listens once it does."""
    if key_file is not None:
        shared = workers > 1
        # Where these cannot be had, a key would be for nothing.
        with listening(settings.listen, shared=shared), listening(settings.admin):
            asyncio.run(first_key(settings, key_file))
    ready = partial(greet, settings, key_file, workers)
    if workers == 1:
        run(settings, ready)
    else:
        supervise(settings, config, changes, workers, ready)


async def first_key(settings: GatewaySettings, path: Path) -> None:
    """Make an application key and write its secret down, readable by its owner alone."""
    if not path.absolute().parent.is_dir():
        raise SettingsInvalid(f"--key-file: there is no folder {path.absolute().parent}")
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with Database(settings.ledger_url) as database:
        _, secret = await KeyStore(database, actor="trimtab gateway").create(path.name, "application")
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secret}\n")
    draft.replace(path)


def greet(settings: GatewaySettings, key_file: Path | None, workers: int) -> None:
    """Say where what listens."""
    public, admin = settings.listen, settings.admin
    told = [
        f"gateway    http://{public.host}:{public.port}/v1, model {settings.alias}",
        f"admin API  http://{admin.host}:{admin.port}",
        *(f"engine     {shown(one.url)}" for one in settings.engines),
    ]
    if key_file is not None:
        told.append(f"key        in {key_file}")
    if workers > 1:
        told.append(f"workers    {workers}")
    typer.echo("\n".join(told), err=True)
