"""`trimtab keys`: make, list, change, rotate and revoke keys, straight in the ledger's database."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from gateway.callers import Role
from gateway.ledger.contract import LedgerFailed
from gateway.ledger.database import Database
from gateway.settings import SettingsInvalid, load_settings
from gateway.tenants.keys import Key, KeyStore
from gateway.tenants.listing import lines_of
from gateway.tenants.terms import NO_TERMS, TermsInvalid
from gateway.tenants.typed import Typed, span_of

ABOUT = (
    "Make, list, change, rotate and revoke keys. Running gateways follow within a second.\n\n"
    "A key has a role and terms: until when it holds (--expires), what all of its requests together may spend "
    "(--limit), what one request may ask for (--bound), and which guard policy screens it (--policy). "
    "What is not said is not limited."
)
TRY = (
    "Try: trimtab keys create shop --expires 90d --limit requests_per_minute=60 --limit budget_tokens=1000000, then "
    "trimtab keys list, trimtab keys set KEY --limit budget_tokens=none, trimtab keys rotate KEY --overlap 1h."
)
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help=ABOUT,
    epilog=TRY,
)

T = TypeVar("T")
NO_KEYS = "There is no key yet; `trimtab keys create NAME` makes one."
Home = Annotated[
    Path | None, typer.Option(help="The home directory of the gateway; by default .trimtab in this one.")
]
Config = Annotated[Path | None, typer.Option(help="A trimtab.yaml; the environment is read as well.")]
KeyId = Annotated[str, typer.Argument(help="The key's id, as `trimtab keys list` shows it.")]
Expires = Annotated[
    str | None, typer.Option(help="Until when it is valid, from now: 12h, 90d; none: for ever.")
]
LimitOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        help="NAME=VALUE, again for each: requests_per_minute, tokens_per_minute, concurrent_requests, "
        "budget_tokens, budget_per (day or month, in UTC; month unless said). NAME=none takes one away. "
        "Tokens are prompt and completion, all candidates included.",
    ),
]
BoundOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--bound",
        help="NAME=VALUE, again for each: max_n, max_deadline_ms, may_explain (true or false). "
        "NAME=none takes one away.",
    ),
]
PolicyOption = Annotated[
    str | None,
    typer.Option(help="A guard policy that the ledger knows, by hash or name; none: the one in force."),
]
LearnOption = Annotated[
    bool | None,
    typer.Option(
        "--learn/--no-learn", help="Whether what it asks may be learnt from; it may unless said otherwise."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.command()
def create(  # noqa: PLR0913, PLR0917 - an option each
    name: Annotated[str, typer.Argument(help="What the key is for; people will read it in lists.")],
    role: Annotated[
        Role, typer.Option(help="application asks; viewer looks; operator tunes; admin does all.")
    ] = ("application"),
    expires: Expires = None,
    limit: LimitOptions = None,
    bound: BoundOptions = None,
    policy: PolicyOption = None,
    learn: LearnOption = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show its secret, once."""
    typed = Typed(expires, limit or (), bound or (), policy, learn)
    key, secret = run(lambda store: store.create(name, role, typed.amend(NO_TERMS)), home, config, new=True)
    show_secret(key, secret, as_json=as_json)


@app.command("set")
def change(  # noqa: PLR0913, PLR0917 - an option each
    key_id: KeyId,
    expires: Expires = None,
    limit: LimitOptions = None,
    bound: BoundOptions = None,
    policy: PolicyOption = None,
    learn: LearnOption = None,
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Change a key's terms; what is not named stays as it is. Its secret stays valid."""
    typed = Typed(expires, limit or (), bound or (), policy, learn)
    key = run(lambda store: store.change(key_id, typed.amend), home, config)
    typer.echo(json.dumps(told(key)) if as_json else in_lines(key))


@app.command()
def rotate(
    key_id: KeyId,
    overlap: Annotated[
        str, typer.Option(help="How long the old secret stays valid: 30s, 15m, 1h, 2d.")
    ] = "1h",
    home: Home = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Give a key another secret and show it, once; the old one is valid for the overlap."""
    key, secret = run(lambda store: store.rotate(key_id, span_of(overlap)), home, config)
    show_secret(key, secret, as_json=as_json)


def show_secret(key: Key, secret: str, *, as_json: bool) -> None:
    """The secret on standard output, and beside it whose it is."""
    if as_json:
        typer.echo(json.dumps(told(key) | {"key": secret}))
        return
    typer.echo(secret)
    typer.echo(f"{key.role} key {key.id} for {key.name}. It is not kept and cannot be shown again.", err=True)


@app.command("list")
def show(home: Home = None, config: Config = None, as_json: AsJson = False) -> None:
    """Every key that was ever made, revoked ones too, with its terms; times are UTC."""
    keys = run(lambda store: store.all(), home, config)
    if as_json:
        typer.echo(json.dumps([told(key) for key in keys]))
        return
    typer.echo("\n".join(map(in_lines, keys)) if keys else NO_KEYS)


def in_lines(key: Key) -> str:
    """A key for people, as wide as their terminal."""
    return "\n".join(lines_of(key, shutil.get_terminal_size().columns))


@app.command()
def revoke(
    key_id: KeyId,
    home: Home = None,
    config: Config = None,
) -> None:
    """End a key's validity, for good."""
    key = run(lambda store: store.revoke(key_id), home, config)
    typer.echo(f"{key.id} ({key.name}) is revoked")


def run(
    work: Callable[[KeyStore], Awaitable[T]], home: Path | None, config: Path | None, *, new: bool = False
) -> T:
    """Do something with the keys of the configured ledger; what goes wrong is told in one line."""

    async def there() -> T:
        homed: dict[str, Any] = {"home": home} if home else {}
        settings = load_settings(config, **homed)
        database = Database(settings.ledger_url)
        if not new and database.missing:
            told = f"there is no ledger at {database.name}: say where with --home or --config, "
            raise LedgerFailed(told + "or make a key first, with `trimtab keys create NAME`")
        async with database:
            return await work(KeyStore(database, actor="command line"))

    try:
        return asyncio.run(there())
    except (LedgerFailed, SettingsInvalid, TermsInvalid) as error:
        fail(error)


def fail(error: Exception) -> NoReturn:
    """End with the error's own sentence."""
    typer.echo(f"trimtab keys: {error}", err=True)
    raise typer.Exit(1)


def told(key: Key) -> dict[str, object]:
    """A key as JSON."""
    seen = asdict(key)
    seen |= {"created_at": str(key.created_at), "revoked_at": key.revoked_at and str(key.revoked_at)}
    del seen["terms"]
    return seen | key.terms.as_json()
